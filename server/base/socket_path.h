// How long the path of a Unix socket may be.
#pragma once

#include <sys/un.h>

#include <cstddef>

namespace shmemd::base {

// What an address holds, less its terminating zero: 107 bytes.
inline constexpr size_t kMaxSocketPathBytes = sizeof(sockaddr_un::sun_path) - 1;

}  // namespace shmemd::base
