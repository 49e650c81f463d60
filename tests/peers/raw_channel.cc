#include "tests/peers/raw_channel.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <iterator>

namespace shmemd::peers {
namespace {

constexpr size_t kHeader = 12;
constexpr size_t kMaxFds = 253;  // the kernel's limit for one message

void TakeFds(msghdr& header, std::vector<Fd>* fds) {
  for (cmsghdr* item = CMSG_FIRSTHDR(&header); item != nullptr; item = CMSG_NXTHDR(&header, item)) {
    for (size_t at = CMSG_LEN(0); at + sizeof(int) <= item->cmsg_len; at += sizeof(int)) {
      int fd = -1;
      std::memcpy(&fd, reinterpret_cast<char*>(item) + at, sizeof(fd));
      Fd owned(fd);
      if (fds != nullptr) fds->push_back(std::move(owned));
    }
  }
}

ssize_t SendWith(int socket, std::string_view bytes, const std::vector<int>& fds, int flags) {
  iovec part{const_cast<char*>(bytes.data()), bytes.size()};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(kMaxFds * sizeof(int))> control{};
  msghdr header{};
  header.msg_iov = &part;
  header.msg_iovlen = 1;
  if (!fds.empty()) {
    header.msg_control = control.data();
    header.msg_controllen = CMSG_SPACE(fds.size() * sizeof(int));
    cmsghdr* item = CMSG_FIRSTHDR(&header);
    item->cmsg_level = SOL_SOCKET;
    item->cmsg_type = SCM_RIGHTS;
    item->cmsg_len = CMSG_LEN(fds.size() * sizeof(int));
    std::memcpy(CMSG_DATA(item), fds.data(), fds.size() * sizeof(int));
  }
  return ::sendmsg(socket, &header, MSG_NOSIGNAL | flags);
}

}  // namespace

size_t OpenFdCount() {
  const std::filesystem::directory_iterator all("/proc/self/fd");
  return static_cast<size_t>(std::distance(begin(all), end(all)));
}

FileId FileIdOf(int fd) {
  struct stat facts {};
  EXPECT_EQ(::fstat(fd, &facts), 0) << "descriptor " << fd;
  return {facts.st_dev, facts.st_ino};
}

std::pair<Fd, Fd> SocketPair() {
  std::array<int, 2> ends{-1, -1};
  EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()), 0);
  return {Fd(ends[0]), Fd(ends[1])};
}

std::string FromHex(std::string_view hex) {
  std::string digits;
  std::copy_if(hex.begin(), hex.end(), std::back_inserter(digits),
               [](char c) { return c != ' ' && c != '\n'; });
  EXPECT_EQ(digits.size() % 2, 0U) << hex;
  std::string bytes;
  for (size_t i = 0; i + 1 < digits.size(); i += 2) {
    bytes.push_back(static_cast<char>(std::stoi(digits.substr(i, 2), nullptr, 16)));
  }
  return bytes;
}

std::string ToHex(std::string_view bytes) {
  std::string hex;
  for (size_t i = 0; i < bytes.size(); ++i) {
    std::array<char, 4> digits{};
    std::snprintf(digits.data(), digits.size(), "%02x", static_cast<unsigned char>(bytes[i]));
    if (i % 4 == 0 && i != 0) hex += ' ';
    hex += digits.data();
  }
  return hex;
}

RawChannel::RawChannel(Fd socket) : socket_(std::move(socket)) {
  const timeval timeout{5, 0};
  ::setsockopt(socket_.get(), SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
  ::setsockopt(socket_.get(), SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout));
}

RawChannel RawChannel::Connect(const std::string& path) {
  RawChannel channel(Fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.data(), std::min(path.size(), sizeof(address.sun_path) - 1));
  EXPECT_EQ(::connect(channel.fd(), reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0) << path;
  return channel;
}

void RawChannel::Send(std::string_view hex, const std::vector<int>& fds) const {
  SendBytes(FromHex(hex), fds);
}

void RawChannel::SendBytes(std::string_view bytes, const std::vector<int>& fds) const {
  EXPECT_EQ(SendWith(fd(), bytes, fds, 0), static_cast<ssize_t>(bytes.size())) << std::strerror(errno);
}

size_t RawChannel::SendSome(std::string_view bytes, const std::vector<int>& fds) const {
  const ssize_t sent = SendWith(fd(), bytes, fds, MSG_DONTWAIT);
  return sent < 0 ? 0 : static_cast<size_t>(sent);
}

ssize_t RawChannel::ReceiveInto(char* space, size_t size, std::vector<Fd>* fds) const {
  alignas(cmsghdr) std::array<char, CMSG_SPACE(kMaxFds * sizeof(int))> control{};
  iovec part{space, size};
  msghdr header{};
  header.msg_iov = &part;
  header.msg_iovlen = 1;
  header.msg_control = control.data();
  header.msg_controllen = control.size();
  const ssize_t got = ::recvmsg(fd(), &header, MSG_CMSG_CLOEXEC);
  if (got > 0) TakeFds(header, fds);
  EXPECT_EQ(header.msg_flags & MSG_CTRUNC, 0);
  return got;
}

std::string RawChannel::ReceiveBytes(size_t count, std::vector<Fd>* fds) const {
  std::string bytes(count, '\0');
  size_t done = 0;
  while (done < count) {
    const ssize_t got = ReceiveInto(bytes.data() + done, count - done, fds);
    if (got <= 0) break;
    done += static_cast<size_t>(got);
  }
  bytes.resize(done);
  return bytes;
}

std::string RawChannel::ReceiveOnce(size_t count, std::vector<Fd>* fds) const {
  std::string bytes(count, '\0');
  bytes.resize(static_cast<size_t>(std::max<ssize_t>(0, ReceiveInto(bytes.data(), count, fds))));
  return ToHex(bytes);
}

std::string RawChannel::ReceiveMessage(std::vector<Fd>* fds) const {
  std::string bytes = ReceiveBytes(kHeader, fds);
  uint32_t size = 0;
  if (bytes.size() == kHeader) std::memcpy(&size, bytes.data() + 8, sizeof(size));
  bytes += ReceiveBytes(size, fds);
  return ToHex(bytes);
}

bool RawChannel::IsQuiet() const {
  char byte = 0;
  return ::recv(fd(), &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
}

bool RawChannel::IsClosedByPeer() const {
  char byte = 0;
  const ssize_t got = ::recv(fd(), &byte, 1, 0);
  return got == 0 || (got < 0 && errno == ECONNRESET);
}

void RawChannel::HalfClose() const { EXPECT_EQ(::shutdown(fd(), SHUT_WR), 0); }

}  // namespace shmemd::peers
