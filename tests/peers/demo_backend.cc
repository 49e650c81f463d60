#include "tests/peers/demo_backend.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/status/status.h"
#include "tests/peers/session.h"

namespace shmemd::peers {
namespace {

constexpr int kBacklog = 16;

absl::Status Failure(const std::string& path, const std::string& what) {
  return absl::FailedPreconditionError("socket " + path + ": " + what);
}

// Nobody listens at `address` any more, and what is there is a socket.
bool IsStale(const sockaddr_un& address) {
  struct stat facts {};
  if (::lstat(address.sun_path, &facts) != 0 || !S_ISSOCK(facts.st_mode)) return false;
  const Fd probe(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  return ::connect(probe.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0 &&
         errno == ECONNREFUSED;
}

bool Bind(const Fd& socket, const sockaddr_un& address) {
  return ::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0;
}

}  // namespace

ListenSocket::ListenSocket(Fd socket, std::string path, dev_t device, ino_t inode)
    : socket_(std::move(socket)), path_(std::move(path)), device_(device), inode_(inode) {}

ListenSocket::~ListenSocket() {
  struct stat facts {};
  if (socket_ && ::lstat(path_.c_str(), &facts) == 0 && facts.st_dev == device_ && facts.st_ino == inode_) {
    ::unlink(path_.c_str());
  }
}

absl::StatusOr<ListenSocket> ListenSocket::Open(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof(address.sun_path)) {
    return Failure(path, "the path has " + std::to_string(path.size()) + " bytes, expected 1 to " +
                             std::to_string(sizeof(address.sun_path) - 1));
  }
  std::memcpy(address.sun_path, path.data(), path.size());
  Fd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!socket) return Failure(path, std::strerror(errno));
  if (!Bind(socket, address)) {
    if (errno != EADDRINUSE) return Failure(path, std::strerror(errno));
    if (!IsStale(address)) return Failure(path, "in use by somebody else");
    ::unlink(path.c_str());
    if (!Bind(socket, address)) return Failure(path, std::strerror(errno));
  }
  struct stat facts {};
  if (::lstat(path.c_str(), &facts) != 0 || ::listen(socket.get(), kBacklog) != 0) {
    return Failure(path, std::strerror(errno));
  }
  return ListenSocket(std::move(socket), path, facts.st_dev, facts.st_ino);
}

void DemoBackend::Serve(const ListenSocket& listener, int stop_fd, bool is_once) {
  while (true) {
    std::array<pollfd, 2> waits = {{{stop_fd, POLLIN, 0}, {listener.fd(), POLLIN, 0}}};
    ::poll(waits.data(), waits.size(), -1);
    if (waits[0].revents != 0) return;
    if (waits[1].revents == 0) continue;
    Fd socket(::accept4(listener.fd(), nullptr, nullptr, SOCK_CLOEXEC));
    if (!socket) continue;
    Session(std::move(socket), script_, stop_fd, posted_, transcript_).Run();
    if (is_once) return;
  }
}

}  // namespace shmemd::peers
