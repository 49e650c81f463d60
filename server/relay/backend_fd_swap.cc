#include "server/relay/backend_fd_swap.h"

#include <fcntl.h>
#include <sys/socket.h>

#include <utility>

#include "server/net/unix_socket.h"

namespace shmemd::relay {
namespace {

bool IsUnixStream(int fd) {
  const auto is = [fd](int option, int expected) {
    int value = 0;
    socklen_t length = sizeof(value);
    return getsockopt(fd, SOL_SOCKET, option, &value, &length) == 0 && value == expected;
  };
  return is(SO_DOMAIN, AF_UNIX) && is(SO_TYPE, SOCK_STREAM);
}

}  // namespace

std::optional<BackendChannelEnds> SwapBackendFd(std::vector<base::UniqueFd>& fds) {
  if (fds.size() != 1 || !IsUnixStream(fds[0].get())) return std::nullopt;
  auto pair = net::ChannelPair();
  if (!pair.ok()) return std::nullopt;
  const int flags = fcntl(fds[0].get(), F_GETFL);
  if (flags >= 0 && (flags & O_NONBLOCK) != 0) fcntl(pair->second.get(), F_SETFL, O_NONBLOCK);
  BackendChannelEnds ends{std::move(fds[0]), std::move(pair->first)};
  fds[0] = std::move(pair->second);
  return ends;
}

}  // namespace shmemd::relay
