include(GoogleTest)

add_library(shmemd_options INTERFACE)
target_include_directories(shmemd_options INTERFACE ${PROJECT_SOURCE_DIR})
target_compile_options(shmemd_options INTERFACE -Wall -Wextra -Wshadow -Wnon-virtual-dtor -Wimplicit-fallthrough)
# What a symbol is resolved to cannot be changed once the program runs.
target_link_options(shmemd_options INTERFACE LINKER:-z,relro,-z,now)
if(SHMEMD_SANITIZE)
  target_compile_options(shmemd_options INTERFACE -fsanitize=${SHMEMD_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  target_link_options(shmemd_options INTERFACE -fsanitize=${SHMEMD_SANITIZE})
endif()
if(SHMEMD_FUZZ)
  target_compile_options(shmemd_options INTERFACE -fsanitize=fuzzer-no-link)
endif()
if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
  target_compile_options(shmemd_options INTERFACE -Wthread-safety)
endif()

# shmemd_library(NAME SOURCES a.cc ... PUBLIC libs... PRIVATE libs...)
# One static library per folder, shmemd::NAME. PUBLIC is what its headers show.
function(shmemd_library name)
  cmake_parse_arguments(arg "" "" "SOURCES;PUBLIC;PRIVATE" ${ARGN})
  add_library(shmemd_${name} STATIC ${arg_SOURCES})
  add_library(shmemd::${name} ALIAS shmemd_${name})
  target_link_libraries(shmemd_${name} PUBLIC shmemd_options ${arg_PUBLIC} PRIVATE ${arg_PRIVATE})
endfunction()

# shmemd_program(NAME SOURCES a.cc ... LINK libs...): an executable in bin/ of the build folder.
function(shmemd_program name)
  cmake_parse_arguments(arg "" "" "SOURCES;LINK" ${ARGN})
  add_executable(${name} ${arg_SOURCES})
  target_link_libraries(${name} PRIVATE shmemd_options ${arg_LINK})
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/bin)
endfunction()

# shmemd_test(NAME SOURCES a_test.cc ... LINK libs... [DATA dir] [TIMEOUT s]): a GoogleTest program, one ctest
# entry per test case. TEST_DATA_DIR is defined as the source folder of the test.
function(shmemd_test name)
  cmake_parse_arguments(arg "" "TIMEOUT" "SOURCES;LINK" ${ARGN})
  if(NOT arg_TIMEOUT)
    set(arg_TIMEOUT 60)
  endif()
  add_executable(${name} ${arg_SOURCES})
  target_link_libraries(${name} PRIVATE shmemd_options ${arg_LINK} GTest::gmock GTest::gtest GTest::gtest_main)
  target_compile_definitions(${name} PRIVATE TEST_DATA_DIR="${CMAKE_CURRENT_SOURCE_DIR}"
                                             SHMEMD_BIN_DIR="${PROJECT_BINARY_DIR}/bin")
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/tests)
  gtest_discover_tests(${name} TEST_PREFIX ${name}/ DISCOVERY_MODE PRE_TEST PROPERTIES TIMEOUT ${arg_TIMEOUT})
endfunction()

# A folder takes part once it has a CMakeLists.txt; a glob, so that an existing build notices a new one.
function(shmemd_folder folder)
  file(GLOB found CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/${folder}/CMakeLists.txt)
  if(found)
    add_subdirectory(${folder})
  endif()
endfunction()

# shmemd_benchmark(NAME SOURCES a_bench.cc ... LINK libs...): a Google Benchmark program in bench/ of the build folder.
function(shmemd_benchmark name)
  cmake_parse_arguments(arg "" "" "SOURCES;LINK" ${ARGN})
  add_executable(${name} ${arg_SOURCES})
  target_link_libraries(${name} PRIVATE shmemd_options ${arg_LINK} benchmark::benchmark benchmark::benchmark_main)
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/bench)
endfunction()
