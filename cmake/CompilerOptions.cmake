# Flags that every target of this project is built with: link weightinit_options PRIVATE.
add_library(weightinit_options INTERFACE)
target_compile_options(weightinit_options INTERFACE
  # The bits are a contract (docs/philox-v1.md): a product and a sum are two roundings, never one.
  -ffp-contract=off
  -Wall -Wextra -Wconversion -Wshadow -Wnon-virtual-dtor -Woverloaded-virtual -Wcast-qual -Wundef)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  # GCC 12 sees an overlap in every `"text" + std::string` that it inlines (GCC bug 105651).
  target_compile_options(weightinit_options INTERFACE -Wno-restrict)
endif()
if(WEIGHTINIT_WARNINGS_AS_ERRORS)
  target_compile_options(weightinit_options INTERFACE -Werror)
endif()

if(WEIGHTINIT_SANITIZE)
  add_compile_options(-fsanitize=${WEIGHTINIT_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
  add_link_options(-fsanitize=${WEIGHTINIT_SANITIZE})
  if(WEIGHTINIT_SANITIZE MATCHES undefined)
    # They look at every access through a pointer, and the address sanitizer reports what they would.
    add_compile_options(-fno-sanitize=null,vptr,object-size)
  endif()
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    # Instrumented code defeats the analyses behind these: std::optional and std::variant look uninitialized.
    target_compile_options(weightinit_options INTERFACE -Wno-maybe-uninitialized)
  endif()
endif()
