// The bounded queue of one mover to the hub. One thread pushes, one pops; neither ever waits for the other.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "server/base/unique_fd.h"
#include "server/feed/update.h"

namespace shmemd::feed {

class UpdateQueue {
 public:
  // `capacity` in updates; memory is bounded by it and allocated here.
  explicit UpdateQueue(size_t capacity);
  ~UpdateQueue();
  UpdateQueue(const UpdateQueue&) = delete;
  UpdateQueue& operator=(const UpdateQueue&) = delete;

  // Mover: false when full (the update is left untouched). Wakes the hub.
  bool TryPush(Update& update);
  // Mover: how many more would fit at least.
  size_t room() const;
  // Hub: nullopt when empty.
  std::optional<Update> TryPop();

  // The hub sleeps on this eventfd of its own; set once before the first push. Borrowed.
  void set_wake_fd(int fd) { wake_fd_.store(fd, std::memory_order_release); }
  // Updates that did not fit since the start.
  uint64_t dropped_count() const { return dropped_.load(std::memory_order_relaxed); }
  void CountDropped() { dropped_.fetch_add(1, std::memory_order_relaxed); }

 private:
  std::vector<Update> slots_;
  std::atomic<size_t> head_{0};  // next to pop
  std::atomic<size_t> tail_{0};  // next to push
  std::atomic<int> wake_fd_{-1};
  std::atomic<uint64_t> dropped_{0};
};

}  // namespace shmemd::feed
