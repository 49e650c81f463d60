#include "tests/client/cutting_proxy.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <random>
#include <utility>

namespace shmemd::client {
namespace {

sockaddr_un AddressOf(const std::string& path) {
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof(address.sun_path) - 1);
  return address;
}

int UnixSocket() { return ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0); }

// Moves what is there, at most `most` bytes. Negative: the end.
ssize_t Move(int from, int to, size_t most) {
  std::array<char, 16384> buffer;
  const ssize_t got = ::recv(from, buffer.data(), std::min(most, buffer.size()), 0);
  if (got <= 0) return -1;
  for (ssize_t sent = 0; sent < got;) {
    const ssize_t more = ::send(to, buffer.data() + sent, static_cast<size_t>(got - sent), MSG_NOSIGNAL);
    if (more < 0) return -1;
    sent += more;
  }
  return got;
}

}  // namespace

CuttingProxy::CuttingProxy(std::string listen, std::string server, unsigned spare_bytes, unsigned most_bytes)
    : server_(std::move(server)), spare_bytes_(spare_bytes), most_bytes_(most_bytes) {
  listener_ = UnixSocket();
  stop_ = ::eventfd(0, EFD_CLOEXEC);
  const sockaddr_un address = AddressOf(listen);
  EXPECT_EQ(::bind(listener_, reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
  EXPECT_EQ(::listen(listener_, 16), 0);
  thread_ = std::thread([this] { Run(); });
}

CuttingProxy::~CuttingProxy() {
  ::eventfd_write(stop_, 1);
  thread_.join();
  ::close(listener_);
  ::close(stop_);
}

void CuttingProxy::Run() {
  std::minstd_rand random(4711);
  std::uniform_int_distribution<unsigned> bytes(spare_bytes_, most_bytes_);
  std::array<pollfd, 2> waiting = {{{stop_, POLLIN, 0}, {listener_, POLLIN, 0}}};
  while (::poll(waiting.data(), waiting.size(), -1) >= 0 && waiting[0].revents == 0) {
    const int client = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (client >= 0) connections_.emplace_back(&CuttingProxy::Serve, this, client, bytes(random));
  }
  for (std::thread& connection : connections_) connection.join();
}

void CuttingProxy::Serve(int client, unsigned bytes) {
  const int server = UnixSocket();
  const sockaddr_un address = AddressOf(server_);
  EXPECT_EQ(::connect(server, reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
  std::array<pollfd, 3> waiting = {{{stop_, POLLIN, 0}, {client, POLLIN, 0}, {server, POLLIN, 0}}};
  bool open = true;
  while (open && ::poll(waiting.data(), waiting.size(), -1) >= 0 && waiting[0].revents == 0) {
    if (waiting[1].revents != 0) open = Move(client, server, 1 << 20) > 0;
    if (!open || waiting[2].revents == 0) continue;
    const ssize_t moved = Move(server, client, healed_ ? 1 << 20 : bytes);
    open = moved > 0;
    if (!open || healed_) continue;
    bytes -= static_cast<unsigned>(moved);
    if (bytes == 0) {
      ++cuts_;
      open = false;
    }
  }
  ::close(server);
  ::close(client);
}

}  // namespace shmemd::client
