# cpack -G DEB in a build folder: Debian packages of what Install.cmake installs, and of what only a package may bring:
# units, /etc, documentation. The same sources make the same bytes.
set(SHMEMD_MAINTAINER "shmemd <packages@localhost>" CACHE STRING "Maintainer of the packages: whoever builds and serves them")
set(SHMEMD_DEBIAN_VERSION ${PROJECT_VERSION}-1)
set(packages shmemd shmemctl libshmemd-client-dev shmemd-demo)

# --- What each package brings beside its component -------------------------------------------------------------------
set(package_files ${PROJECT_BINARY_DIR}/packages)
configure_file(deploy/debian/changelog.in ${package_files}/changelog.Debian @ONLY)
# compressed(INPUT NAME): a file as Debian compresses it, in package_files.
function(compressed input name)
  add_custom_command(
    OUTPUT ${package_files}/${name}.gz
    COMMAND gzip -9nc ${input} > ${package_files}/${name}.gz
    DEPENDS ${input}
    VERBATIM)
endfunction()
compressed(${package_files}/changelog.Debian changelog.Debian)
compressed(${PROJECT_SOURCE_DIR}/CHANGELOG.md changelog)
add_custom_target(package-files ALL DEPENDS ${package_files}/changelog.Debian.gz ${package_files}/changelog.gz)

# package_install(PACKAGE FOLDER FILES...): files that no "cmake --install" brings, only cpack.
function(package_install package folder)
  cmake_parse_arguments(arg "" "RENAME" "FILES" ${ARGN})
  if(arg_RENAME)
    set(rename RENAME ${arg_RENAME})
  endif()
  install(FILES ${arg_FILES} DESTINATION ${folder} COMPONENT ${package}-extra EXCLUDE_FROM_ALL ${rename})
endfunction()

foreach(package ${packages})
  package_install(${package} share/doc/${package}
    FILES deploy/debian/copyright ${package_files}/changelog.Debian.gz ${package_files}/changelog.gz)
  if(EXISTS ${PROJECT_SOURCE_DIR}/deploy/debian/${package}.lintian-overrides)
    package_install(${package} share/lintian/overrides FILES deploy/debian/${package}.lintian-overrides RENAME ${package})
  endif()
endforeach()

file(GLOB pages CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/docs/*.md)
package_install(shmemd share/doc/shmemd FILES ${pages} README.md)
package_install(shmemd share/doc/shmemd/examples
  FILES deploy/prometheus/shmemd.rules.yml deploy/grafana/shmemd.json)
package_install(shmemd /etc/shmemd FILES deploy/systemd/shmemd.yaml)
package_install(shmemd /etc/needrestart/conf.d FILES deploy/debian/needrestart.conf RENAME shmemd.conf)
package_install(shmemd lib/systemd/system FILES deploy/systemd/shmemd.service deploy/systemd/shmemd@.service)
package_install(shmemd lib/sysusers.d FILES deploy/systemd/shmemd.sysusers RENAME shmemd.conf)
package_install(shmemd lib/tmpfiles.d FILES deploy/systemd/shmemd.tmpfiles RENAME shmemd.conf)

# stripped(COMPONENT STRIP_OPTIONS PATTERN): when cpack stages them, as dh_strip does it. After the component's own rules.
function(stripped component options pattern)
  install(CODE "
    if(CMAKE_INSTALL_DO_STRIP)
      file(GLOB files \"\$ENV{DESTDIR}\${CMAKE_INSTALL_PREFIX}/${pattern}\")
      execute_process(COMMAND strip ${options} --remove-section=.comment \${files} COMMAND_ERROR_IS_FATAL ANY)
    endif()"
    COMPONENT ${component})
endfunction()
stripped(server "" bin/*)
stripped(ctl "" bin/*)
stripped(demo "" bin/*)
stripped(client-dev "--strip-debug --enable-deterministic-archives" ${SHMEMD_LIB_DIR}/*.a)

# --- The packages ----------------------------------------------------------------------------------------------------
set(CPACK_VERBATIM_VARIABLES ON)
set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME shmemd)
set(CPACK_PACKAGE_CONTACT ${SHMEMD_MAINTAINER})
set(CPACK_OUTPUT_FILE_PREFIX ${PROJECT_BINARY_DIR}/packages)
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_INSTALL_DEFAULT_DIRECTORY_PERMISSIONS
    OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE WORLD_READ WORLD_EXECUTE)
set(CPACK_PROJECT_CONFIG_FILE ${package_files}/cpack.cmake)
file(WRITE ${package_files}/cpack.cmake "set(ENV{SOURCE_DATE_EPOCH} ${SHMEMD_RELEASE_EPOCH})\n")
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_COMPONENTS_GROUPING ONE_PER_GROUP)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_RELEASE 1)
set(CPACK_DEBIAN_PACKAGE_SECTION admin)
set(CPACK_DEBIAN_PACKAGE_PRIORITY optional)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)

set(scripts ${PROJECT_SOURCE_DIR}/deploy/debian)
# CPack names the settings of a group in upper case.
set(CPACK_DEBIAN_SHMEMD_PACKAGE_NAME shmemd)
set(CPACK_DEBIAN_SHMEMD_PACKAGE_DEPENDS
    "systemd | systemd-standalone-sysusers | systemd-sysusers, systemd | systemd-standalone-tmpfiles | systemd-tmpfiles")
set(CPACK_DEBIAN_SHMEMD_PACKAGE_RECOMMENDS shmemctl)
set(CPACK_DEBIAN_SHMEMD_PACKAGE_SUGGESTS prometheus)
set(CPACK_COMPONENT_SHMEMD_DESCRIPTION
    "visibility of the VIRTIO shared memory of virtual machines
vhost-user back-ends (GPU, media, file systems) share memory with guests
through VIRTIO shared memory regions. shmemd shows which regions a back-end
has, what is mapped into them, by which file, and whether it is safe to
touch: by gRPC, to Prometheus, and to people through shmemctl.
.
It relays between a VMM and its back-ends, or asks back-ends by itself.")
set(CPACK_DEBIAN_SHMEMD_PACKAGE_CONTROL_EXTRA "")

set(CPACK_DEBIAN_SHMEMCTL_PACKAGE_NAME shmemctl)
set(CPACK_DEBIAN_SHMEMCTL_PACKAGE_SUGGESTS shmemd)
set(CPACK_COMPONENT_SHMEMCTL_DESCRIPTION
    "command line of shmemd, for the VIRTIO shared memory of virtual machines
shmemctl asks a running shmemd, on this host or another, what vhost-user
back-ends have mapped into the shared memory regions of virtual machines,
draws them, follows them, and says what is odd and what to do about it.
.
\"shmemctl probe\" asks a back-end itself, without shmemd, and reports how it
keeps the rules of the vhost-user protocol.")

set(CPACK_DEBIAN_LIBSHMEMD-CLIENT-DEV_PACKAGE_NAME libshmemd-client-dev)
set(CPACK_DEBIAN_LIBSHMEMD-CLIENT-DEV_PACKAGE_SECTION libdevel)
set(CPACK_DEBIAN_LIBSHMEMD-CLIENT-DEV_PACKAGE_MULTIARCH same)
set(CPACK_DEBIAN_LIBSHMEMD-CLIENT-DEV_PACKAGE_DEPENDS "libabsl-dev, libgrpc++-dev, libprotobuf-dev")
set(CPACK_COMPONENT_LIBSHMEMD-CLIENT-DEV_DESCRIPTION
    "client library of shmemd: VIRTIO shared memory, asked and followed
A static C++ library for programs that ask shmemd for the shared memory
regions and mappings of virtual machines, or follow them: all calls with typed
results, and a watcher that resumes by itself and tells each change once.
.
Also the protos of the API and a description of it for other languages.")

set(CPACK_DEBIAN_SHMEMD-DEMO_PACKAGE_NAME shmemd-demo)
set(CPACK_DEBIAN_SHMEMD-DEMO_PACKAGE_SUGGESTS shmemd)
set(CPACK_COMPONENT_SHMEMD-DEMO_DESCRIPTION
    "scriptable vhost-user peers with VIRTIO shared memory
shmem-demo-backend is a back-end without a device, shmem-demo-vmm a front-end
without a virtual machine. Both do what a script says, rightly or wrongly, to
try shmemd and to test front-ends, back-ends and relays.")

foreach(script postinst prerm postrm conffiles)
  # CPack takes them by their names.
  configure_file(${scripts}/shmemd.${script} ${package_files}/control/${script} COPYONLY)
  list(APPEND CPACK_DEBIAN_SHMEMD_PACKAGE_CONTROL_EXTRA ${package_files}/control/${script})
endforeach()

set(component_of_shmemd server)
set(component_of_shmemctl ctl)
set(component_of_libshmemd-client-dev client-dev)
set(component_of_shmemd-demo demo)
set(CPACK_COMPONENTS_ALL "")
foreach(package ${packages})
  list(APPEND CPACK_COMPONENTS_ALL ${component_of_${package}} ${package}-extra)
endforeach()
include(CPack)
foreach(package ${packages})
  cpack_add_component_group(${package})
  cpack_add_component(${component_of_${package}} GROUP ${package})
  cpack_add_component(${package}-extra GROUP ${package})
endforeach()
