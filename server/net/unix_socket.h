// Connecting to Unix stream sockets by path, and who is at the other end.
//
// Any thread, nothing kept. No call blocks.
#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <array>
#include <cstdint>
#include <string>
#include <utility>

#include "server/base/unique_fd.h"

namespace shmemd::net {

// InvalidArgument for an empty path and for one longer than an address holds (107 bytes), naming both
// lengths.
absl::StatusOr<sockaddr_un> UnixAddress(const std::string& path);

// A connection, or why not. A Unix socket connects at once or not at all; EAGAIN says that the listener's
// backlog is full: try again later, no readiness event will tell.
struct ConnectAttempt {
  base::UniqueFd socket;  // non-blocking, close-on-exec; not open: see error_number
  int error_number = 0;   // ENAMETOOLONG for a path that no address holds
};
ConnectAttempt TryConnect(const std::string& path);

// Two connected SOCK_STREAM sockets, close-on-exec. The first is ours; the second is to be handed to a peer,
// which may rely on it being blocking.
absl::StatusOr<std::pair<base::UniqueFd, base::UniqueFd>> ChannelPair();

// Whether the peer of a connected socket has closed it altogether; nothing is read.
bool PeerGone(int socket);
// Whether a connection waits at a listening socket.
bool Readable(int socket);

// Who connected, by SO_PEERCRED and /proc.
struct PeerCredentials {
  uint32_t uid = 0;
  uint32_t gid = 0;
  int32_t pid = 0;              // 0: not in our pid namespace
  std::array<char, 16> comm{};  // zero-terminated; empty: not visible
  bool known = false;
};
PeerCredentials ReadPeerCredentials(int socket);

}  // namespace shmemd::net
