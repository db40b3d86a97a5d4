include(GoogleTest)

# weightinit_test(NAME SOURCES a.cc b.cc LIBRARIES x y [LABELS l] [TIMEOUT s])
# One test program; each of its cases becomes one ctest case. Those labelled `threads` run code of several threads: they are
# what the thread sanitizer is for, and the target threads_tests builds them alone.
add_custom_target(threads_tests)
function(weightinit_test name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "TIMEOUT" "SOURCES;LIBRARIES;LABELS")
  if(NOT arg_TIMEOUT)
    set(arg_TIMEOUT 300)
  endif()
  add_executable(${name} ${arg_SOURCES})
  target_link_libraries(${name} PRIVATE ${arg_LIBRARIES} weightinit_options GTest::gmock GTest::gtest_main)
  target_include_directories(${name} PRIVATE ${PROJECT_SOURCE_DIR})
  target_compile_definitions(${name} PRIVATE WEIGHTINIT_SOURCE_DIR="${PROJECT_SOURCE_DIR}")
  if("threads" IN_LIST arg_LABELS)
    add_dependencies(threads_tests ${name})
  endif()
  gtest_discover_tests(${name} DISCOVERY_MODE PRE_TEST
    PROPERTIES TIMEOUT ${arg_TIMEOUT} LABELS "${arg_LABELS}")
endfunction()
