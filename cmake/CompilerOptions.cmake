# Flags that every target of this project is built with: link weightinit_options PRIVATE.
add_library(weightinit_options INTERFACE)
target_compile_options(weightinit_options INTERFACE
  # The bits are a contract (docs/philox-v1.md): a product and a sum are two roundings, never one.
  -ffp-contract=off
  -Wall -Wextra -Wconversion -Wshadow -Wnon-virtual-dtor -Woverloaded-virtual -Wcast-qual -Wundef)
if(WEIGHTINIT_WARNINGS_AS_ERRORS)
  target_compile_options(weightinit_options INTERFACE -Werror)
endif()

if(WEIGHTINIT_SANITIZE)
  add_compile_options(-fsanitize=${WEIGHTINIT_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
  add_link_options(-fsanitize=${WEIGHTINIT_SANITIZE})
endif()
