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

# weightinit_python_test(NAME SCRIPT LABELS l [TIMEOUT s])
# A script of this directory that runs both programs, as tests/integration/harness.py expects them.
function(weightinit_python_test name script)
  cmake_parse_arguments(PARSE_ARGV 2 arg "" "TIMEOUT" "LABELS")
  if(NOT arg_TIMEOUT)
    set(arg_TIMEOUT 300)
  endif()
  if(WEIGHTINIT_SANITIZE)
    math(EXPR arg_TIMEOUT "5 * ${arg_TIMEOUT}")
  endif()
  # The preset names the interpreter of .venv, which `make test` creates; before that Debian's does as well.
  set(python ${WEIGHTINIT_TEST_PYTHON})
  if(NOT EXISTS ${python})
    set(python /usr/bin/python3)
  endif()
  set(programs "TEST_CLI=$<TARGET_FILE:weightinit_program>;TEST_SERVER=$<TARGET_FILE:weightinit-server>")
  set(places "TEST_SOURCE_DIR=${PROJECT_SOURCE_DIR};TEST_STUBS_DIR=${PROJECT_BINARY_DIR}/tests/integration/stubs")
  add_test(NAME ${name} COMMAND ${python} -B ${CMAKE_CURRENT_SOURCE_DIR}/${script})
  set_tests_properties(${name} PROPERTIES LABELS "${arg_LABELS}" TIMEOUT ${arg_TIMEOUT} SKIP_RETURN_CODE 77
    ENVIRONMENT "${programs};${places};TEST_SANITIZE=${WEIGHTINIT_SANITIZE}")
endfunction()
