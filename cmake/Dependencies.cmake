# Every library comes from Debian 12. gRPC through its own config file: looking it up with
# pkg_check_modules(... IMPORTED_TARGET grpc++) takes 18 s of every configure, this takes half a second.
find_package(Threads REQUIRED)
find_package(absl REQUIRED)
find_package(spdlog REQUIRED)
find_package(GTest REQUIRED)
find_package(yaml-cpp REQUIRED)
find_package(CLI11 REQUIRED)
if(NOT SHMEMD_BELOW_API_ONLY)
  find_package(Protobuf REQUIRED)
  find_package(gRPC CONFIG REQUIRED)
  find_package(prometheus-cpp CONFIG REQUIRED)
  find_package(benchmark REQUIRED)
endif()
