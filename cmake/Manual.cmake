# What the programs write of themselves: manual pages and completions, the same bytes each time.

# shmemd_manual(PROGRAM FLAG PAGE COMPONENT): what PROGRAM prints with FLAG becomes the manual page PAGE, compressed as
# distributions do it, the same bytes each time.
set(SHMEMD_MANUAL_DIR ${PROJECT_BINARY_DIR}/man)
file(MAKE_DIRECTORY ${SHMEMD_MANUAL_DIR})

function(shmemd_manual program flag page component)
  if(NOT TARGET ${program})
    return()
  endif()
  set(file ${SHMEMD_MANUAL_DIR}/${page})
  add_custom_command(
    OUTPUT ${file} ${file}.gz
    COMMAND $<TARGET_FILE:${program}> ${flag} > ${file}
    COMMAND gzip -9nkf ${file}
    DEPENDS ${program}
    VERBATIM)
  add_custom_target(manual-${page} ALL DEPENDS ${file}.gz)
  string(REGEX MATCH "[0-9]$" section ${page})
  install(FILES ${file}.gz DESTINATION share/man/man${section} COMPONENT ${component})
endfunction()

shmemd_manual(shmemd --man shmemd.8 server)
shmemd_manual(shmemd --man-config shmemd.yaml.5 server)
shmemd_manual(shmemctl --man shmemctl.1 ctl)
shmemd_manual(shmem-demo-backend --man shmem-demo-backend.1 demo)
shmemd_manual(shmem-demo-vmm --man shmem-demo-vmm.1 demo)

# What shells need to complete the command line, where Debian's shells look for it.
set(SHMEMD_COMPLETION_DIR ${PROJECT_BINARY_DIR}/completions)
file(MAKE_DIRECTORY ${SHMEMD_COMPLETION_DIR})

function(shmemd_completion shell folder name)
  if(NOT TARGET shmemctl)
    return()
  endif()
  set(file ${SHMEMD_COMPLETION_DIR}/${shell})
  add_custom_command(
    OUTPUT ${file}
    COMMAND $<TARGET_FILE:shmemctl> completion ${shell} > ${file}
    DEPENDS shmemctl
    VERBATIM)
  add_custom_target(completion-${shell} ALL DEPENDS ${file})
  install(FILES ${file} DESTINATION share/${folder} RENAME ${name} COMPONENT ctl)
endfunction()

shmemd_completion(bash bash-completion/completions shmemctl)
shmemd_completion(zsh zsh/vendor-completions _shmemctl)
shmemd_completion(fish fish/vendor_completions.d shmemctl.fish)
