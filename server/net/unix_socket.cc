#include "server/net/unix_socket.h"

#include <absl/strings/str_cat.h>
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "server/base/posix_error.h"
#include "server/base/socket_path.h"

namespace shmemd::net {
namespace {

// The name that a process gave itself; procfs never blocks.
void ReadComm(int32_t pid, std::array<char, 16>& comm) {
  const base::UniqueFd file(open(absl::StrCat("/proc/", pid, "/comm").c_str(), O_RDONLY | O_CLOEXEC));
  if (!file.is_open()) return;
  const ssize_t length = read(file.get(), comm.data(), comm.size() - 1);
  if (length > 0 && comm[static_cast<size_t>(length) - 1] == '\n')
    comm[static_cast<size_t>(length) - 1] = '\0';
}

}  // namespace

absl::StatusOr<sockaddr_un> UnixAddress(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const size_t most = base::kMaxSocketPathBytes;
  if (path.empty()) return absl::InvalidArgumentError("socket path: expected a path, got an empty string");
  if (path.size() > most) {
    return absl::InvalidArgumentError(absl::StrCat("socket path ", path, ": expected at most ", most,
                                                   " bytes, got ", path.size(), "; use a shorter directory"));
  }
  std::memcpy(address.sun_path, path.data(), path.size());
  return address;
}

ConnectAttempt TryConnect(const std::string& path) {
  const absl::StatusOr<sockaddr_un> address = UnixAddress(path);
  if (!address.ok()) return {base::UniqueFd(), ENAMETOOLONG};
  base::UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!socket.is_open()) return {base::UniqueFd(), errno};
  if (connect(socket.get(), reinterpret_cast<const sockaddr*>(&*address), sizeof(*address)) != 0) {
    return {base::UniqueFd(), errno};
  }
  return {std::move(socket), 0};
}

absl::StatusOr<std::pair<base::UniqueFd, base::UniqueFd>> ChannelPair() {
  std::array<int, 2> fds{};
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds.data()) != 0) {
    return base::PosixError(errno, "socketpair for a back-end channel");
  }
  std::pair<base::UniqueFd, base::UniqueFd> pair{base::UniqueFd(fds[0]), base::UniqueFd(fds[1])};
  if (fcntl(fds[0], F_SETFL, O_NONBLOCK) != 0)
    return base::PosixError(errno, "make a back-end channel non-blocking");
  return pair;
}

bool PeerGone(int socket) {
  pollfd entry{socket, 0, 0};
  return poll(&entry, 1, 0) == 1 && (entry.revents & (POLLHUP | POLLERR)) != 0;
}

bool Readable(int socket) {
  pollfd entry{socket, POLLIN, 0};
  return poll(&entry, 1, 0) == 1 && (entry.revents & POLLIN) != 0;
}

PeerCredentials ReadPeerCredentials(int socket) {
  PeerCredentials peer;
  ucred credentials{};
  socklen_t length = sizeof(credentials);
  if (getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &credentials, &length) != 0) return peer;
  peer.known = true;
  peer.uid = credentials.uid;
  peer.gid = credentials.gid;
  peer.pid = credentials.pid;
  if (peer.pid > 0) ReadComm(peer.pid, peer.comm);
  return peer;
}

}  // namespace shmemd::net
