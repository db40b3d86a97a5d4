# Everything the build needs from outside, found and never fetched.
find_package(Threads REQUIRED)
find_package(absl CONFIG REQUIRED)
find_package(OpenSSL REQUIRED)
find_package(hwy CONFIG REQUIRED)
find_package(muparser CONFIG REQUIRED)

include(WeightinitRe2)
if(NOT TARGET re2::re2)
  message(FATAL_ERROR "RE2 is needed, as a CMake package or through pkg-config")
endif()

if(WEIGHTINIT_BUILD_SERVICE OR WEIGHTINIT_BUILD_PYTHON)
  # Newer Protobuf must be found by its own package (it depends on Abseil); Debian's has FindProtobuf alone.
  find_package(Protobuf CONFIG QUIET)
  if(NOT Protobuf_FOUND)
    find_package(Protobuf REQUIRED)
  endif()
  find_package(yaml-cpp CONFIG REQUIRED)
  if(NOT TARGET yaml-cpp::yaml-cpp)  # before yaml-cpp 0.8
    add_library(yaml-cpp::yaml-cpp ALIAS yaml-cpp)
  endif()
  find_package(nlohmann_json CONFIG REQUIRED)
endif()

if(WEIGHTINIT_BUILD_SERVICE)
  find_package(gRPC CONFIG REQUIRED)
  find_package(CLI11 CONFIG REQUIRED)
  find_package(spdlog CONFIG REQUIRED)
  find_package(prometheus-cpp CONFIG REQUIRED)
  find_package(civetweb CONFIG REQUIRED)  # what its exposer serves with; ours serves probes too
endif()

if(WEIGHTINIT_BUILD_PYTHON)
  find_package(Python 3.9 REQUIRED COMPONENTS Interpreter Development.Module OPTIONAL_COMPONENTS Development.SABIModule)
  find_package(nanobind CONFIG REQUIRED)
  # The stubs of the package; the extension itself knows no gRPC.
  find_program(WEIGHTINIT_GRPC_PYTHON_PLUGIN grpc_python_plugin REQUIRED)
endif()

if(WEIGHTINIT_BUILD_TESTS)
  find_package(GTest REQUIRED)
  # The peers that tests compare with (torch, NumPy, grpcio) are Debian's packages, which belong to this interpreter.
  set(WEIGHTINIT_TEST_PYTHON /usr/bin/python3 CACHE FILEPATH "Python interpreter that has torch, NumPy and grpcio")
endif()
