# cmake --install BUILD --prefix PREFIX [--component NAME]. Components: server (shmemd), ctl (shmemctl), demo (the
# scriptable peers) and client-dev (what programs need that link shmemd::client or read the contract; the libraries
# themselves say so in their folders).
include(CMakePackageConfigHelpers)

set(package_dir ${SHMEMD_LIB_DIR}/cmake/shmemd-client)

function(shmemd_install_program target component)
  if(TARGET ${target})
    install(TARGETS ${target} RUNTIME DESTINATION bin COMPONENT ${component})
  endif()
endfunction()

shmemd_install_program(shmemd server)
shmemd_install_program(shmemctl ctl)
shmemd_install_program(shmem-demo-backend demo)
shmemd_install_program(shmem-demo-vmm demo)

if(TARGET shmemd_client)
  configure_package_config_file(
    ${PROJECT_SOURCE_DIR}/cmake/shmemd-client-config.cmake.in ${PROJECT_BINARY_DIR}/install/shmemd-client-config.cmake
    INSTALL_DESTINATION ${package_dir}
    NO_SET_AND_CHECK_MACRO)
  # 0.x promises nothing from one minor version to the next.
  write_basic_package_version_file(
    ${PROJECT_BINARY_DIR}/install/shmemd-client-config-version.cmake
    VERSION ${PROJECT_VERSION}
    COMPATIBILITY SameMinorVersion)
  configure_file(cmake/shmemd-client.pc.in ${PROJECT_BINARY_DIR}/install/shmemd-client.pc @ONLY)
  install(EXPORT shmemd-client NAMESPACE shmemd:: FILE shmemd-client-targets.cmake DESTINATION ${package_dir} COMPONENT client-dev)
  install(FILES ${PROJECT_BINARY_DIR}/install/shmemd-client-config.cmake
                ${PROJECT_BINARY_DIR}/install/shmemd-client-config-version.cmake
          DESTINATION ${package_dir}
          COMPONENT client-dev)
  install(FILES ${PROJECT_BINARY_DIR}/install/shmemd-client.pc DESTINATION ${SHMEMD_LIB_DIR}/pkgconfig COMPONENT client-dev)
endif()
