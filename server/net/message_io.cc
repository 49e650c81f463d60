#include "server/net/message_io.h"

#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

namespace shmemd::net {
namespace {

constexpr size_t kControlBytes = CMSG_SPACE(kMaxFdsPerMessage * sizeof(int));
// <linux/socket.h> since 6.5: a descriptor of the sender's process.
constexpr int kScmPidfd = 4;

struct ControlBuffer {
  alignas(cmsghdr) std::array<char, kControlBytes> bytes;
};

IoResult FromErrno(int error_number) {
  switch (error_number) {
    case EAGAIN:
    case ETOOMANYREFS:
    case ENOBUFS:
    case ENOMEM:
      return {IoStatus::kWouldBlock, 0, error_number};
    case EPIPE:
    case ECONNRESET:
      return {IoStatus::kClosed, 0, error_number};
    default:
      return {IoStatus::kError, 0, error_number};
  }
}

void TakeFds(msghdr& message, std::vector<base::UniqueFd>& fds) {
  for (cmsghdr* control = CMSG_FIRSTHDR(&message); control != nullptr;
       control = CMSG_NXTHDR(&message, control)) {
    const bool rights = control->cmsg_level == SOL_SOCKET && control->cmsg_type == SCM_RIGHTS;
    // Whoever handed us a socket of its own making may have asked for these on it (SO_PASSPIDFD).
    const bool pidfd = control->cmsg_level == SOL_SOCKET && control->cmsg_type == kScmPidfd;
    if (!rights && !pidfd) continue;
    const size_t count = (control->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < count; ++i) {
      int fd = -1;
      std::memcpy(&fd, CMSG_DATA(control) + i * sizeof(int), sizeof(int));
      base::UniqueFd owned(fd);
      if (rights) fds.push_back(std::move(owned));
    }
  }
}

void PutFds(msghdr& message, ControlBuffer& control, std::span<const int> fds) {
  message.msg_control = control.bytes.data();
  message.msg_controllen = CMSG_SPACE(fds.size_bytes());
  cmsghdr* header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(fds.size_bytes());
  std::memcpy(CMSG_DATA(header), fds.data(), fds.size_bytes());
}

IoResult ReceiveWith(int flags, int socket, std::span<uint8_t> space, std::vector<base::UniqueFd>& fds) {
  if (space.empty()) return {IoStatus::kError, 0, EINVAL};
  ControlBuffer control;
  iovec part{space.data(), space.size()};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control.bytes.data();
  message.msg_controllen = control.bytes.size();
  ssize_t got = -1;
  do {
    got = recvmsg(socket, &message, flags | MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
  } while (got < 0 && errno == EINTR);
  if (got < 0) return FromErrno(errno);
  TakeFds(message, fds);
  if (got == 0) return {IoStatus::kClosed};
  return {IoStatus::kDone, static_cast<size_t>(got), 0, (message.msg_flags & MSG_CTRUNC) != 0};
}

}  // namespace

IoResult Receive(int socket, std::span<uint8_t> space, std::vector<base::UniqueFd>& fds) {
  return ReceiveWith(0, socket, space, fds);
}

IoResult Peek(int socket, std::span<uint8_t> space, std::vector<base::UniqueFd>& fds) {
  return ReceiveWith(MSG_PEEK, socket, space, fds);
}

IoResult Discard(int socket, std::span<uint8_t> space) {
  if (space.empty()) return {IoStatus::kError, 0, EINVAL};
  ssize_t got = -1;
  do {
    got = recv(socket, space.data(), space.size(), MSG_DONTWAIT);
  } while (got < 0 && errno == EINTR);
  if (got < 0) return FromErrno(errno);
  if (got == 0) return {IoStatus::kClosed};
  return {IoStatus::kDone, static_cast<size_t>(got)};
}

bool AllRead(int socket) {
  int queued = 0;
  // The kernel wakes a writer one count before the last: a queue of one byte's account holds no message.
  return ioctl(socket, SIOCOUTQ, &queued) == 0 && queued <= 1;
}

IoResult Send(int socket, std::span<const uint8_t> bytes, std::span<const int> fds) {
  if (bytes.empty() || fds.size() > kMaxFdsPerMessage) return {IoStatus::kError, 0, EINVAL};
  ControlBuffer control;
  iovec part{const_cast<uint8_t*>(bytes.data()), bytes.size()};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  if (!fds.empty()) {
    std::memset(control.bytes.data(), 0, CMSG_SPACE(fds.size_bytes()));
    PutFds(message, control, fds);
  }
  ssize_t put = -1;
  do {
    put = sendmsg(socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
  } while (put < 0 && errno == EINTR);
  if (put < 0) return FromErrno(errno);
  return {IoStatus::kDone, static_cast<size_t>(put)};
}

}  // namespace shmemd::net
