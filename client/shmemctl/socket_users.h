// Who uses a Unix socket, asked of the kernel: nobody is connected to and nothing is changed.
//
// Only what this user and this network namespace can see: the processes of others may have no names here.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace shmemd::shmemctl {

struct SocketUsers {
  bool known = false;                 // the table of connections could be read
  size_t connections = 0;             // accepted at this socket
  std::vector<std::string> paths;     // where the table has it, if not where it was asked for
  std::vector<std::string> clients;   // "qemu-system-x86 (pid 123)": the connecting ends
  std::vector<std::string> backends;  // the accepting ends
};

// One file has many paths: the socket is found by device and inode, also behind symbolic links.
SocketUsers FindSocketUsers(const std::string& socket);

}  // namespace shmemd::shmemctl
