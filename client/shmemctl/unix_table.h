// The kernel's table of Unix sockets: who is connected where. A pure function on its text.
#pragma once

#include <string_view>

namespace shmemd::shmemctl {

// How many connections were accepted at `path` and are still there, by the text of /proc/net/unix. Sockets of
// other network namespaces are not in it.
int ConnectionsAt(std::string_view table, std::string_view path);

}  // namespace shmemd::shmemctl
