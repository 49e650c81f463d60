// The kernel's table of Unix sockets: who is connected where. A pure function on its text.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace shmemd::shmemctl {

// An accepted connection that is still there.
struct UnixConnection {
  uint64_t inode = 0;  // of the accepting end
  std::string path;    // as the listener bound it

  bool operator==(const UnixConnection&) const = default;
};

// The connections that were accepted at a path for which `is_wanted` holds, by the text of /proc/net/unix.
// Sockets of other network namespaces are not in it.
std::vector<UnixConnection> ConnectionsAt(std::string_view table,
                                          const std::function<bool(const std::string&)>& is_wanted);

}  // namespace shmemd::shmemctl
