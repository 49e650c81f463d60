// Both sides of a pump or a channel, as its peers hold them.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <iterator>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "server/base/unique_fd.h"
#include "server/net/message_io.h"
#include "server/vhost/payload.h"

namespace shmemd::relay {

using Bytes = std::vector<uint8_t>;

inline size_t OpenFds() {
  return static_cast<size_t>(std::distance(std::filesystem::directory_iterator("/proc/self/fd"),
                                           std::filesystem::directory_iterator()));
}

// A connected pair: `ours` is given to what is tested, `peer` plays the peer.
struct SocketPair {
  base::UniqueFd ours;
  base::UniqueFd peer;

  // `send_buffer_bytes`: of `ours`; 0: as it is. The kernel makes the best of what is too small.
  explicit SocketPair(int send_buffer_bytes = 0) {
    std::array<int, 2> fds{};
    EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds.data()), 0);
    ours = base::UniqueFd(fds[0]);
    peer = base::UniqueFd(fds[1]);
    if (send_buffer_bytes > 0)
      setsockopt(fds[0], SOL_SOCKET, SO_SNDBUF, &send_buffer_bytes, sizeof(send_buffer_bytes));
  }
};

inline base::UniqueFd Memfd() { return base::UniqueFd(memfd_create("relay-test", MFD_CLOEXEC)); }

// Identity of the file behind a descriptor.
inline uint64_t Inode(int fd) {
  struct stat facts {};
  EXPECT_EQ(fstat(fd, &facts), 0);
  return facts.st_ino;
}

inline Bytes Message(uint32_t id, uint32_t flags, size_t payload_bytes, uint8_t fill = 0x5a) {
  const vhost::Header header{id, flags, static_cast<uint32_t>(payload_bytes)};
  Bytes message(sizeof(header) + payload_bytes, fill);
  std::memcpy(message.data(), &header, sizeof(header));
  return message;
}

inline void SendAll(int socket, std::span<const uint8_t> bytes, std::vector<int> fds = {}) {
  while (!bytes.empty()) {
    const net::IoResult result = net::Send(socket, bytes, fds);
    ASSERT_EQ(result.status, net::IoStatus::kDone) << result.error_number;
    bytes = bytes.subspan(result.bytes);
    fds.clear();
  }
}

// What one read of exactly `bytes` gives: the bytes and the files that came with them.
struct Read {
  Bytes bytes;
  std::vector<uint64_t> inodes;
  net::IoStatus status = net::IoStatus::kDone;
  int error_number = 0;
};
inline Read ReadExactly(int socket, size_t bytes) {
  Read read;
  read.bytes.resize(bytes);
  std::vector<base::UniqueFd> fds;
  const net::IoResult result = net::Receive(socket, read.bytes, fds);
  read.bytes.resize(result.bytes);
  read.status = result.status;
  read.error_number = result.error_number;
  for (const base::UniqueFd& fd : fds) read.inodes.push_back(Inode(fd.get()));
  return read;
}

}  // namespace shmemd::relay
