// Gathers what the movers publish into one replica that readers look at.
//
// Owns one thread. Readers share a mutex with it and never with a mover: a reader that takes long delays the
// hub, the queue fills, the mover marks "lost" and goes on.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "server/base/mutex.h"
#include "server/feed/control.h"
#include "server/feed/replica.h"
#include "server/feed/update_queue.h"
#include "server/feed/wake_fd.h"

namespace shmemd::feed {

class Hub {
 public:
  static constexpr size_t kDefaultMaxEvents = 4096;

  // `page_size` of the host, in bytes. So many of the last events are kept.
  explicit Hub(uint64_t page_size, size_t max_events = kDefaultMaxEvents);
  ~Hub();  // stops
  Hub(const Hub&) = delete;
  Hub& operator=(const Hub&) = delete;

  // Before Start. Both outlive the hub.
  void AddSource(UpdateQueue& queue, Control& control);
  void Start();
  // Applies what is queued, ends the commands without an answer as kShuttingDown, and joins the thread.
  void Stop();

  // Calls `read` with the replica locked. Keep it short and take copies; never call back into the hub.
  void Read(const std::function<void(const ReplicaView&)>& read) const;

  // `on_change` is called on the hub's thread, with nothing locked that Read locks, after what readers see
  // has changed; it must be short. Replaces the one before, which is not running any more when this returns;
  // nullptr: nobody. Any thread but the hub's.
  void SetListener(std::function<void()> on_change) ABSL_LOCKS_EXCLUDED(listener_mutex_);

  // Updates that did not fit into a queue since the start.
  uint64_t dropped_count() const;
  // When the hub's loop last turned (monotonic). It turns at least once a second.
  int64_t last_turn_ns() const { return last_turn_ns_.load(std::memory_order_relaxed); }
  // Returns when the revision is not `seen_revision` any more; false at `deadline_ns` (monotonic).
  bool WaitForChange(uint64_t seen_revision, int64_t deadline_ns) const;

 private:
  // Updates applied at most before readers get their turn.
  static constexpr int kBatch = 1024;
  // More than a queue holds: a turn applies all that was there when it began, and ends also under a flood.
  static constexpr int kBatchesPerTurn = 64;

  struct Source {
    Source(UpdateQueue& q, Control& c, uint64_t page_size) : queue(q), control(c), replica(page_size) {}
    UpdateQueue& queue;
    Control& control;
    SourceReplica replica;
  };

  void Run();
  void Turn();
  // True when the queue may hold more.
  bool ApplyBatch(Source& source) ABSL_LOCKS_EXCLUDED(mutex_);
  void TellOfChange() ABSL_LOCKS_EXCLUDED(listener_mutex_);
  void IndexById() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool SyncedLocked() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Sleep();

  const uint64_t page_size_;
  WakeFd wake_;
  std::vector<std::unique_ptr<Source>> sources_;  // their replicas are guarded by mutex_
  std::thread thread_;
  std::atomic<bool> stopping_{false};
  std::atomic<int64_t> last_turn_ns_{0};

  mutable base::Mutex mutex_;
  mutable base::CondVar changed_;
  BackendsById by_id_ ABSL_GUARDED_BY(mutex_);
  uint64_t revision_ ABSL_GUARDED_BY(mutex_) = 0;
  state::EventLog events_ ABSL_GUARDED_BY(mutex_);

  base::Mutex listener_mutex_;
  std::function<void()> on_change_ ABSL_GUARDED_BY(listener_mutex_);
};

}  // namespace shmemd::feed
