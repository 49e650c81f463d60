// Waits for sockets, timers and calls from other threads, and runs what is due: one thread's heart.
//
// Owned by the thread that calls Turn; only Post, Wake and last_turn_ns may be used by others. Waits are
// edge-triggered: a watcher reads until it would block, or defers the rest with After(0). A callback may
// remove any watch or timer, its own included; one that was removed never runs again.
#pragma once

#include <absl/container/btree_map.h>
#include <absl/container/flat_hash_map.h>
#include <absl/status/statusor.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "server/base/mutex.h"
#include "server/base/unique_fd.h"

namespace shmemd::net {

class EventLoop {
 public:
  using Callback = std::function<void()>;
  using WatchId = uint64_t;
  using TimerId = std::pair<int64_t, uint64_t>;  // deadline, order
  static constexpr WatchId kNoWatch = 0;

  static absl::StatusOr<std::unique_ptr<EventLoop>> Create();
  ~EventLoop();
  EventLoop(const EventLoop&) = delete;
  EventLoop& operator=(const EventLoop&) = delete;

  // Calls `on_ready` when `fd` (borrowed, open until Unwatch) becomes readable, writable or hung up. What is
  // ready already counts as becoming so.
  absl::StatusOr<WatchId> Watch(int fd, Callback on_ready);
  void Unwatch(WatchId watch);  // before the fd is closed; unknown ids are ignored

  // Once, `delay_ns` from now; 0: in the next turn, after the sockets that are ready by then.
  TimerId After(int64_t delay_ns, Callback call);
  void Cancel(const TimerId& timer);  // unknown ids are ignored

  // Any thread: runs in a later turn, in order. What was never run dies with the loop.
  void Post(Callback call);
  // Any thread: ends the wait of the current turn.
  void Wake();

  // What is registered now.
  size_t watch_count() const { return watches_.size(); }
  size_t timer_count() const { return timers_.size(); }

  // Waits at most `max_wait_ns`, then runs what is ready. Returns how many callbacks ran.
  size_t Turn(int64_t max_wait_ns);
  // Any thread: monotonic nanoseconds at which the last turn began.
  int64_t last_turn_ns() const { return last_turn_ns_.load(std::memory_order_relaxed); }

 private:
  EventLoop(base::UniqueFd epoll, base::UniqueFd wake) : epoll_(std::move(epoll)), wake_(std::move(wake)) {}
  int WaitMillis(int64_t max_wait_ns) const;
  size_t RunWatches(std::span<const WatchId> ready);
  size_t RunTimers();
  size_t RunPosted();

  base::UniqueFd epoll_;
  base::UniqueFd wake_;
  uint64_t next_id_ = 1;
  absl::flat_hash_map<WatchId, std::pair<int, std::shared_ptr<Callback>>> watches_;
  absl::btree_map<TimerId, Callback> timers_;
  std::atomic<int64_t> last_turn_ns_{0};
  base::Mutex mutex_;
  std::vector<Callback> posted_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace shmemd::net
