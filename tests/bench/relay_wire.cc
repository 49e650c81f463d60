#include "tests/bench/relay_wire.h"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace shmemd::bench {
namespace {

template <typename T>
void PutAt(std::span<uint8_t> bytes, size_t offset, T value) {
  std::memcpy(bytes.data() + offset, &value, sizeof(value));
}

}  // namespace

void Die(const char* what) {
  std::perror(what);
  std::_Exit(1);
}

Request MakeRequest(uint32_t id, bool need_reply, uint64_t shm_offset) {
  Request request{};
  PutAt<uint32_t>(request, 0, id);
  PutAt<uint32_t>(request, 4, need_reply ? 0x9 : 0x1);
  PutAt<uint32_t>(request, 8, kRequestBytes - kHeaderBytes);
  PutAt<uint64_t>(request, 28, shm_offset);
  PutAt<uint64_t>(request, 36, kMappingBytes);
  PutAt<uint64_t>(request, 44, id == kMapId ? 1 : 0);
  return request;
}

Answer MakeAnswer(uint32_t id) {
  Answer answer{};
  PutAt<uint32_t>(answer, 0, id);
  PutAt<uint32_t>(answer, 4, 0x5);
  PutAt<uint32_t>(answer, 8, kAnswerBytes - kHeaderBytes);
  return answer;
}

Received ReceiveSome(int socket, std::span<uint8_t> space) {
  alignas(cmsghdr) std::array<char, CMSG_SPACE(kMaxFds * sizeof(int))> control;
  iovec part{space.data(), space.size()};
  msghdr header{};
  header.msg_iov = &part;
  header.msg_iovlen = 1;
  header.msg_control = control.data();
  header.msg_controllen = control.size();
  Received received;
  do {
    received.bytes = ::recvmsg(socket, &header, MSG_CMSG_CLOEXEC);
  } while (received.bytes < 0 && errno == EINTR);
  if (received.bytes <= 0) return received;
  for (cmsghdr* item = CMSG_FIRSTHDR(&header); item != nullptr; item = CMSG_NXTHDR(&header, item)) {
    const size_t count = (item->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    std::memcpy(received.fds.data() + received.fd_count, CMSG_DATA(item), count * sizeof(int));
    received.fd_count += count;
  }
  return received;
}

void CloseAll(const Received& received) {
  for (size_t i = 0; i < received.fd_count; ++i) ::close(received.fds[i]);
}

bool SendAll(int socket, std::span<const uint8_t> bytes, std::span<const int> fds) {
  alignas(cmsghdr) std::array<char, CMSG_SPACE(kMaxFds * sizeof(int))> control;
  while (!bytes.empty()) {
    iovec part{const_cast<uint8_t*>(bytes.data()), bytes.size()};
    msghdr header{};
    header.msg_iov = &part;
    header.msg_iovlen = 1;
    if (!fds.empty()) {
      header.msg_control = control.data();
      header.msg_controllen = CMSG_SPACE(fds.size_bytes());
      cmsghdr* item = CMSG_FIRSTHDR(&header);
      item->cmsg_level = SOL_SOCKET;
      item->cmsg_type = SCM_RIGHTS;
      item->cmsg_len = CMSG_LEN(fds.size_bytes());
      std::memcpy(CMSG_DATA(item), fds.data(), fds.size_bytes());
    }
    const ssize_t sent = ::sendmsg(socket, &header, MSG_NOSIGNAL);
    if (sent >= 0) {
      bytes = bytes.subspan(static_cast<size_t>(sent));
      fds = {};
    } else if (errno == EAGAIN || errno == ETOOMANYREFS) {
      pollfd room{socket, POLLOUT, 0};
      ::poll(&room, 1, 1);
    } else if (errno != EINTR) {
      return false;
    }
  }
  return true;
}

void ReceiveAnswers(int socket, size_t count) {
  std::array<uint8_t, 64 * kAnswerBytes> space;
  for (size_t rest = count * kAnswerBytes; rest > 0;) {
    const Received got = ReceiveSome(socket, std::span(space).first(std::min(rest, space.size())));
    if (got.bytes <= 0) Die("the relay or the answering side is gone");
    CloseAll(got);
    rest -= static_cast<size_t>(got.bytes);
  }
}

}  // namespace shmemd::bench
