// Requests of one channel whose answers are still to come, oldest first, and which request an answer belongs
// to. A peer answers in the order in which it was asked (vhost-user specification, "Communication").
//
// Plain values, bounded, without allocation; any thread, one at a time.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <type_traits>

#include "server/session/map_message.h"
#include "server/vhost/message_table.h"
#include "server/vhost/payload.h"

namespace shmemd::session {

enum class AnswerRule : uint8_t {
  kNone,      // nobody answers
  kMaybe,     // some peers answer and some do not
  kExpected,  // an answer comes before those to later requests
};

struct AnswerContext {
  bool reply_ack = false;
  bool log_shmfd = false;
  bool postcopy_listening = false;
};

// Whether a request is answered. kMaybe for what peers do not agree on: NEED_REPLY while REPLY_ACK is not
// agreed on (answered by QEMU and libvhost-user, not by rust-vmm), what the specification always answers but
// the request did not ask for, and ids that nobody has defined.
AnswerRule AnswerRuleOf(vhost::Channel channel, const vhost::Header& request, const AnswerContext& context);

struct PendingRequest {
  uint32_t id = 0;
  bool optional = false;  // AnswerRule::kMaybe
  bool ours = false;      // asked by shmemd
  int64_t sent_ns = 0;    // monotonic
};

// On the back-end channel: with the map or unmap that the answer settles.
struct PendingMap : PendingRequest {
  std::optional<RelayedMap> map;  // nullopt: another request
  bool settled = false;           // was published already, as done though nobody said so
};

// Where an answer belongs.
enum class Pairing : uint8_t {
  kPaired,
  kUnrequested,  // no request waits, or only such as need not be answered
  kLost,         // the oldest request waits for another answer
};

template <typename Request>
class PendingRequests {
 public:
  static constexpr size_t kMost = 64;

  size_t size() const { return count_; }
  bool empty() const { return count_ == 0; }
  bool full() const { return count_ == kMost; }
  // `index` 0 is the oldest.
  const Request& at(size_t index) const { return slots_[(first_ + index) % kMost]; }
  Request& at(size_t index) { return slots_[(first_ + index) % kMost]; }

  // False, and nothing is kept, if it is full.
  bool Push(const Request& request) {
    if (full()) return false;
    slots_[(first_ + count_) % kMost] = request;
    ++count_;
    return true;
  }
  std::optional<Request> Pop() {
    if (empty()) return std::nullopt;
    const Request oldest = slots_[first_];
    first_ = static_cast<uint8_t>((first_ + 1U) % kMost);
    --count_;
    return oldest;
  }
  void Clear() { count_ = 0; }

  struct Match {
    Pairing pairing = Pairing::kUnrequested;
    size_t index = 0;  // kPaired: of its request; kLost: of the oldest one that must be answered first
  };
  // Optional requests are passed over: their answer would have come before.
  Match Find(uint32_t id) const {
    for (size_t i = 0; i < count_; ++i) {
      if (at(i).id == id) return {Pairing::kPaired, i};
      if (!at(i).optional) return {Pairing::kLost, i};
    }
    return {};
  }
  // The oldest one for which `wanted` holds.
  template <typename Predicate>
  const Request* FindOldest(Predicate wanted) const {
    for (size_t i = 0; i < count_; ++i) {
      if (wanted(at(i))) return &at(i);
    }
    return nullptr;
  }
  // Nothing happens if there is none.
  template <typename Predicate>
  void EraseOldest(Predicate wanted) {
    size_t i = 0;
    while (i < count_ && !wanted(at(i))) ++i;
    if (i == count_) return;
    for (; i + 1 < count_; ++i) at(i) = at(i + 1);
    --count_;
  }
  bool waits_for_answer() const {
    return FindOldest([](const Request& request) { return !request.optional; }) != nullptr;
  }

 private:
  std::array<Request, kMost> slots_{};
  uint8_t first_ = 0;
  uint8_t count_ = 0;
};

static_assert(std::is_trivially_copyable_v<PendingRequests<PendingRequest>>);
static_assert(std::is_trivially_copyable_v<PendingRequests<PendingMap>>);

}  // namespace shmemd::session
