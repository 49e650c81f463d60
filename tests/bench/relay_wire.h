// The bytes of the relay benchmark: SHMEM_MAP and SHMEM_UNMAP of 52 bytes, answers of 20, over blocking
// sockets. Written for speed, and for nothing else.
#pragma once

#include <sys/types.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace shmemd::bench {

inline constexpr size_t kHeaderBytes = 12;
inline constexpr size_t kRequestBytes = 52;
inline constexpr size_t kAnswerBytes = 20;
inline constexpr size_t kMaxFds = 16;
inline constexpr uint32_t kMapId = 9;
inline constexpr uint32_t kUnmapId = 10;
inline constexpr uint64_t kMappingBytes = 4096;

using Request = std::array<uint8_t, kRequestBytes>;
using Answer = std::array<uint8_t, kAnswerBytes>;

// A map or unmap of one page of region 0.
Request MakeRequest(uint32_t id, bool need_reply, uint64_t shm_offset);
Answer MakeAnswer(uint32_t id);

// Ends the program, saying what failed.
[[noreturn]] void Die(const char* what);

struct Received {
  ssize_t bytes = 0;  // 0: the end; below: errno
  std::array<int, kMaxFds> fds{};
  size_t fd_count = 0;
};
// One recvmsg. The descriptors belong to the caller.
Received ReceiveSome(int socket, std::span<uint8_t> space);
void CloseAll(const Received& received);

// One sendmsg; false when the peer is gone. Waits where the socket blocks, and polls where it does not.
bool SendAll(int socket, std::span<const uint8_t> bytes, std::span<const int> fds = {});

// So many bytes of answers, read in as few calls as they come.
void ReceiveAnswers(int socket, size_t count);

}  // namespace shmemd::bench
