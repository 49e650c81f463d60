// How far a pump has come with the message at the head of its source, and a message of our own that waits for
// the next boundary. Trivially copyable, so that it may lie in memory that outlives the process.
#pragma once

#include <array>
#include <cstdint>
#include <type_traits>

#include "server/session/session_tracker.h"

namespace shmemd::relay {

struct Journal {
  static constexpr uint32_t kVersion = 1;
  // Twice what any known VMM or back-end accepts (rust-vmm: 4096 bytes of payload, QEMU 11.1: 2056). Larger
  // messages are forwarded in parts and not looked into.
  static constexpr uint32_t kBufferBytes = 8192;
  static constexpr uint32_t kOwnBytes = 32;

  enum class Step : uint8_t {
    kIdle,       // between two messages
    kTaking,     // a message is moved from its queue into the buffer, since peeking cannot tell whose the
                 // descriptors are, or it has not come whole
    kReady,      // whole; not handed on yet
    kSending,    // `sent` bytes are handed on
    kConsuming,  // handed on; `consumed` bytes are removed from its queue
    kParts,      // larger than the buffer: `parts_left` bytes are still to come from the source
  };

  uint32_t version = kVersion;
  Step step = Step::kIdle;
  session::Verdict verdict = session::Verdict::kForward;
  bool taken = false;  // the bytes are in the buffer only, not in the source's queue
  bool descriptors_sent = false;
  uint32_t begin = 0;  // in the buffer: where the message starts
  uint32_t have = 0;   // in the buffer: end of what is known of the queue
  uint32_t message_bytes = 0;
  uint32_t sent = 0;
  uint32_t consumed = 0;
  uint64_t parts_left = 0;
  uint32_t own_bytes = 0;  // 0: none waits
  uint32_t own_sent = 0;
  std::array<uint8_t, kOwnBytes> own{};
  std::array<uint8_t, kBufferBytes> buffer{};
};
static_assert(std::is_trivially_copyable_v<Journal>);

}  // namespace shmemd::relay
