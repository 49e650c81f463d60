#include "tests/peers/channel.h"

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <thread>
#include <utility>

namespace shmemd::peers {
namespace {

constexpr std::chrono::seconds kSendTimeout{5};

void TakeFds(msghdr& header, std::vector<Fd>& fds) {
  for (cmsghdr* item = CMSG_FIRSTHDR(&header); item != nullptr; item = CMSG_NXTHDR(&header, item)) {
    if (item->cmsg_level != SOL_SOCKET || item->cmsg_type != SCM_RIGHTS) continue;
    const size_t count = (item->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < count; ++i) {
      int fd = -1;
      std::memcpy(&fd, CMSG_DATA(item) + i * sizeof(int), sizeof(fd));
      fds.emplace_back(fd);
    }
  }
}

}  // namespace

void Channel::Close(std::string reason) {
  if (!socket_) return;
  close_reason_ = std::move(reason);
  socket_.Close();
  fds_.clear();
}

bool Channel::Fill(size_t wanted_bytes) {
  while (received_.size() < wanted_bytes) {
    std::array<uint8_t, 4096> buffer{};
    iovec part{buffer.data(), std::min(buffer.size(), wanted_bytes - received_.size())};
    alignas(cmsghdr) std::array<char, CMSG_SPACE(kMaxFdsPerMessage * sizeof(int))> control{};
    msghdr header{};
    header.msg_iov = &part;
    header.msg_iovlen = 1;
    header.msg_control = control.data();
    header.msg_controllen = control.size();
    const ssize_t got = ::recvmsg(socket_.get(), &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return false;
    if (got <= 0) {
      Close(got == 0 ? "closed by the peer" : std::strerror(errno));
      return false;
    }
    TakeFds(header, fds_);
    received_.insert(received_.end(), buffer.data(), buffer.data() + got);
  }
  return true;
}

std::optional<Message> Channel::TryReceive() {
  if (!socket_ || !Fill(kHeaderBytes)) return std::nullopt;
  const auto size = Get<uint32_t>(received_, 8);
  if (size > kMaxPayloadBytes) {
    Close("header size " + std::to_string(size) + ", expected at most " + std::to_string(kMaxPayloadBytes));
    return std::nullopt;
  }
  if (!Fill(kHeaderBytes + size)) return std::nullopt;
  Message message;
  message.request = Get<uint32_t>(received_, 0);
  message.flags = Get<uint32_t>(received_, 4);
  message.payload.assign(received_.begin() + kHeaderBytes, received_.end());
  message.fds = std::exchange(fds_, {});
  received_.clear();
  return message;
}

std::optional<size_t> Channel::SendSome(const uint8_t* data, size_t size, const std::vector<int>& fds,
                                        std::chrono::steady_clock::time_point deadline) {
  iovec part{const_cast<uint8_t*>(data), size};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(kMaxFdsPerMessage * sizeof(int))> control{};
  msghdr header{};
  header.msg_iov = &part;
  header.msg_iovlen = 1;
  if (!fds.empty()) {
    const size_t fd_bytes = std::min(fds.size(), kMaxFdsPerMessage) * sizeof(int);
    header.msg_control = control.data();
    header.msg_controllen = CMSG_SPACE(fd_bytes);
    cmsghdr* item = CMSG_FIRSTHDR(&header);
    item->cmsg_level = SOL_SOCKET;
    item->cmsg_type = SCM_RIGHTS;
    item->cmsg_len = CMSG_LEN(fd_bytes);
    std::memcpy(CMSG_DATA(item), fds.data(), fd_bytes);
  }
  while (true) {
    const ssize_t sent = ::sendmsg(socket_.get(), &header, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent >= 0) return static_cast<size_t>(sent);
    if (errno == EINTR) continue;
    const bool is_full = errno == EAGAIN || errno == EWOULDBLOCK || errno == ETOOMANYREFS;
    if (!is_full || std::chrono::steady_clock::now() > deadline) return std::nullopt;
    pollfd room{socket_.get(), POLLOUT, 0};
    ::poll(&room, 1, 100);
  }
}

bool Channel::Send(const Bytes& bytes, const std::vector<int>& fds, size_t piece_bytes) {
  const auto deadline = std::chrono::steady_clock::now() + kSendTimeout;
  for (size_t done = 0; socket_ && done < bytes.size();) {
    const size_t rest = bytes.size() - done;
    const size_t piece = piece_bytes == 0 ? rest : std::min(piece_bytes, rest);
    const auto sent = SendSome(bytes.data() + done, piece, done == 0 ? fds : std::vector<int>{}, deadline);
    if (!sent) {
      Close(std::string("cannot send: ") + std::strerror(errno));
      return false;
    }
    done += *sent;
    if (piece_bytes != 0) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return static_cast<bool>(socket_);
}

}  // namespace shmemd::peers
