// The bounded queue of one mover to the hub. One thread pushes, one pops; neither ever waits for the other.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "server/feed/spsc_ring.h"
#include "server/feed/update.h"
#include "server/feed/wake_fd.h"

namespace shmemd::feed {

class UpdateQueue {
 public:
  // `capacity` in updates; memory is bounded by it and allocated with the first push.
  explicit UpdateQueue(size_t capacity) : ring_(capacity) {}

  // Mover: false when full; the update is then left as it was.
  bool TryPush(Update&& update);
  // Mover: at least this many more fit.
  size_t room() const { return ring_.room(); }
  size_t capacity() const { return ring_.capacity(); }
  // Mover: an update did not fit, so the hub lacks some until it is caught up.
  void MarkLost();
  // Mover: the hub is caught up by what is on the queue now.
  void MarkCaughtUp() { lost_.store(false, std::memory_order_release); }

  // Hub: nullopt when empty.
  std::optional<Update> TryPop() { return ring_.TryPop(); }
  // Hub: to be called before it sleeps; false when something came meanwhile.
  bool PrepareToSleep();
  // Hub: what it sleeps on. Before the first push.
  void set_wake(const WakeFd* wake) { wake_.store(wake, std::memory_order_release); }

  bool lost() const { return lost_.load(std::memory_order_acquire); }
  // Updates that did not fit since the start.
  uint64_t dropped_count() const { return dropped_.load(std::memory_order_relaxed); }

 private:
  SpscRing<Update> ring_;
  std::atomic<const WakeFd*> wake_{nullptr};
  std::atomic<bool> hub_sleeps_{false};
  std::atomic<bool> lost_{false};
  std::atomic<uint64_t> dropped_{0};
};

}  // namespace shmemd::feed
