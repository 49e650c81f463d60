#include "tests/peers/raw_frontend.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <filesystem>
#include <iterator>

namespace shmemd::peers {
namespace {

void GiveUpAfter5Seconds(int socket) {
  const timeval timeout{5, 0};
  ::setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
}

std::string FromHex(std::string_view hex) {
  std::string digits;
  for (const char c : hex) {
    if (c != ' ' && c != '\n') digits.push_back(c);
  }
  std::string bytes;
  for (size_t i = 0; i + 1 < digits.size(); i += 2) {
    bytes.push_back(static_cast<char>(std::stoi(digits.substr(i, 2), nullptr, 16)));
  }
  return bytes;
}

size_t CloseAll(msghdr& header) {
  size_t closed = 0;
  for (cmsghdr* item = CMSG_FIRSTHDR(&header); item != nullptr; item = CMSG_NXTHDR(&header, item)) {
    for (size_t at = CMSG_LEN(0); at + sizeof(int) <= item->cmsg_len; at += sizeof(int), ++closed) {
      int fd = -1;
      std::memcpy(&fd, reinterpret_cast<char*>(item) + at, sizeof(fd));
      ::close(fd);
    }
  }
  return closed;
}

}  // namespace

size_t OpenFdCount() {
  const std::filesystem::directory_iterator all("/proc/self/fd");
  return static_cast<size_t>(std::distance(begin(all), end(all)));
}

RawFrontend::RawFrontend(const std::string& path) : main_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.data(), path.size());
  GiveUpAfter5Seconds(main_);
  EXPECT_EQ(::connect(main_, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0) << path;
}

RawFrontend::~RawFrontend() {
  CloseBackendChannel();
  ::close(main_);
}

void RawFrontend::CloseBackendChannel() {
  if (backend_ >= 0) ::close(backend_);
  backend_ = -1;
}

void RawFrontend::SendOn(int socket, std::string_view hex, const std::vector<int>& fds) {
  std::string bytes = FromHex(hex);
  iovec part{bytes.data(), bytes.size()};
  std::string control(fds.empty() ? 0 : CMSG_SPACE(fds.size() * sizeof(int)), '\0');
  msghdr header{};
  header.msg_iov = &part;
  header.msg_iovlen = 1;
  header.msg_control = control.data();
  header.msg_controllen = control.size();
  if (!fds.empty()) {
    cmsghdr* item = CMSG_FIRSTHDR(&header);
    item->cmsg_level = SOL_SOCKET;
    item->cmsg_type = SCM_RIGHTS;
    item->cmsg_len = CMSG_LEN(fds.size() * sizeof(int));
    std::memcpy(CMSG_DATA(item), fds.data(), fds.size() * sizeof(int));
  }
  EXPECT_EQ(::sendmsg(socket, &header, MSG_NOSIGNAL), static_cast<ssize_t>(bytes.size()));
}

std::string RawFrontend::ReceiveOn(int socket, size_t bytes, size_t* fd_count) {
  std::string hex;
  size_t fds = 0;
  for (size_t done = 0; done < bytes;) {
    unsigned char buffer[4096];
    alignas(cmsghdr) char control[CMSG_SPACE(64 * sizeof(int))];
    iovec part{buffer, std::min(sizeof(buffer), bytes - done)};
    msghdr header{};
    header.msg_iov = &part;
    header.msg_iovlen = 1;
    header.msg_control = control;
    header.msg_controllen = sizeof(control);
    const ssize_t got = ::recvmsg(socket, &header, MSG_CMSG_CLOEXEC);
    if (got <= 0) break;
    fds += CloseAll(header);
    for (ssize_t i = 0; i < got; ++i, ++done) {
      char digits[4];
      std::snprintf(digits, sizeof(digits), "%02x", buffer[i]);
      if (done % 4 == 0 && done != 0) hex += ' ';
      hex += digits;
    }
  }
  if (fd_count != nullptr) *fd_count = fds;
  return hex;
}

bool RawFrontend::IsClosed(int socket) {
  char byte = 0;
  const ssize_t got = ::recv(socket, &byte, 1, 0);
  return got == 0 || (got < 0 && errno == ECONNRESET);
}

void RawFrontend::OpenBackendChannel() {
  int ends[2] = {-1, -1};
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
  CloseBackendChannel();
  backend_ = ends[0];
  GiveUpAfter5Seconds(backend_);
  Send("15000000 09000000 00000000", {ends[1]});
  ::close(ends[1]);
  EXPECT_EQ(Receive(20), "15000000 05000000 08000000 00000000 00000000");
}

void RawFrontend::Handshake(std::string_view protocol_features) {
  Send("01000000 01000000 00000000");
  EXPECT_EQ(Receive(20).substr(0, 26), "01000000 05000000 08000000");
  Send("0f000000 01000000 00000000");
  EXPECT_EQ(Receive(20).substr(0, 26), "0f000000 05000000 08000000");
  Send("10000000 01000000 08000000" + std::string(protocol_features));
  OpenBackendChannel();
  Send("03000000 01000000 00000000");
}

std::string RawFrontend::AskConfig() {
  Send("2c000000 01000000 00000000");
  return Receive(2068);
}

void RawFrontend::TakeMaps(size_t count) {
  for (size_t i = 0; i < count; ++i) {
    size_t fd_count = 0;
    EXPECT_EQ(ReceiveRequest(52, &fd_count).substr(0, 26), "09000000 09000000 28000000");
    EXPECT_EQ(fd_count, 1U);
    Answer("09000000 05000000 08000000 00000000 00000000");
  }
}

}  // namespace shmemd::peers
