// A bounded queue between one pushing and one popping thread. Neither ever waits.
#pragma once

#include <atomic>
#include <cstddef>
#include <memory>
#include <optional>
#include <utility>

namespace shmemd::feed {

template <typename T>
class SpscRing {
 public:
  // All memory is allocated with the first push: a ring that nobody uses costs none.
  explicit SpscRing(size_t capacity) : slot_count_(capacity + 1) {}
  SpscRing(const SpscRing&) = delete;
  SpscRing& operator=(const SpscRing&) = delete;

  // False when full; `value` is then left as it was.
  bool TryPush(T&& value) {
    const size_t tail = tail_.load(std::memory_order_relaxed);
    const size_t next = Next(tail);
    if (next == head_.load(std::memory_order_acquire)) return false;
    if (slots_ == nullptr) slots_ = std::make_unique<T[]>(slot_count_);
    slots_[tail] = std::move(value);
    // Sequentially consistent, as empty() is: a popping thread that says it will sleep and then finds the
    // ring empty is seen to sleep by the next push.
    tail_.store(next, std::memory_order_seq_cst);
    return true;
  }

  std::optional<T> TryPop() {
    const size_t head = head_.load(std::memory_order_relaxed);
    if (head == tail_.load(std::memory_order_acquire)) return std::nullopt;
    std::optional<T> value(std::exchange(slots_[head], T{}));
    head_.store(Next(head), std::memory_order_release);
    return value;
  }

  // Exact for the pushing thread's lower bound: at least this many more fit.
  size_t room() const {
    const size_t head = head_.load(std::memory_order_acquire);
    const size_t tail = tail_.load(std::memory_order_acquire);
    const size_t used = tail >= head ? tail - head : tail + slot_count_ - head;
    return capacity() - used;
  }
  bool empty() const { return head_.load() == tail_.load(); }
  size_t capacity() const { return slot_count_ - 1; }

 private:
  size_t Next(size_t i) const { return i + 1 == slot_count_ ? 0 : i + 1; }

  const size_t slot_count_;                  // one more than fit, so that full and empty differ
  std::unique_ptr<T[]> slots_;               // made by the pushing thread, seen by the other through tail_
  alignas(64) std::atomic<size_t> head_{0};  // next to pop
  alignas(64) std::atomic<size_t> tail_{0};  // next to push
};

}  // namespace shmemd::feed
