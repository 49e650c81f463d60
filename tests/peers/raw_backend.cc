#include "tests/peers/raw_backend.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>

#include <cstdlib>
#include <iostream>
#include <utility>
#include <vector>

namespace shmemd::peers {
namespace {

constexpr int kWaitMs = 5000;

ListenSocket ListenAt(const std::string& path) {
  auto listener = ListenSocket::Open(path);
  if (!listener.ok()) {
    std::cerr << listener.status() << '\n';
    std::abort();
  }
  return std::move(*listener);
}

bool IsReadable(int fd, int timeout_ms) {
  pollfd wait{fd, POLLIN, 0};
  return ::poll(&wait, 1, timeout_ms) == 1;
}

}  // namespace

RawBackend::RawBackend(const std::string& path) : listener_(ListenAt(path)) {}

bool RawBackend::HasCaller() const { return IsReadable(listener_.fd(), 0); }

bool RawBackend::Accept() {
  if (!IsReadable(listener_.fd(), kWaitMs)) {
    ADD_FAILURE() << "nobody connected to the back-end";
    return false;
  }
  backend_.Close();
  main_ = RawChannel(Fd(::accept4(listener_.fd(), nullptr, nullptr, SOCK_CLOEXEC)));
  return main_.is_open();
}

std::string RawBackend::TakeBackendChannel() {
  std::vector<Fd> fds;
  std::string hex = main_.Receive(12, &fds);
  EXPECT_EQ(fds.size(), 1U) << hex;
  if (fds.size() == 1) backend_ = RawChannel(std::move(fds.front()));
  return hex;
}

void Pass(const RawChannel& from, const RawChannel& to, std::string_view hex) {
  std::vector<Fd> fds;
  const std::string bytes = FromHex(hex);
  from.SendBytes(bytes);
  EXPECT_EQ(ToHex(to.ReceiveBytes(bytes.size(), &fds)), ToHex(bytes));
  EXPECT_TRUE(fds.empty());
}

void ShakeHands(RawFrontend& frontend, RawBackend& backend, std::string_view protocol_features) {
  const std::string bits(protocol_features);
  Pass(frontend.main(), backend.main(), "01000000 01000000 00000000");
  Pass(backend.main(), frontend.main(), "01000000 05000000 08000000 00000040 01000000");
  Pass(frontend.main(), backend.main(), "0f000000 01000000 00000000");
  Pass(backend.main(), frontend.main(), "0f000000 05000000 08000000" + bits);
  Pass(frontend.main(), backend.main(), "10000000 01000000 08000000" + bits);
  frontend.SendBackendChannel();
  EXPECT_EQ(backend.TakeBackendChannel(), "15000000 09000000 00000000");
  Pass(backend.main(), frontend.main(), "15000000 05000000 08000000 00000000 00000000");
  Pass(frontend.main(), backend.main(), "03000000 01000000 00000000");
}

}  // namespace shmemd::peers
