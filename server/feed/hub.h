// Gathers what the movers publish into one replica that readers look at.
//
// Owns one thread. Readers share a mutex with it and never with a mover: a reader that takes long delays the hub,
// the queue fills, the mover marks "lost" and goes on.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "server/base/mutex.h"
#include "server/feed/control.h"
#include "server/feed/replica.h"
#include "server/feed/update_queue.h"

namespace shmemd::feed {

class Hub {
 public:
  // `page_size` in bytes, for the replica's tables.
  explicit Hub(uint64_t page_size);
  ~Hub();  // stops
  Hub(const Hub&) = delete;
  Hub& operator=(const Hub&) = delete;

  // Before Start. Queue and control outlive the hub. After a mover's events were applied, the completions of its
  // control that were posted before them run on the hub's thread.
  void AddSource(UpdateQueue& queue, Control& control);
  void Start();
  // Applies what is queued and joins the thread. Commands without an answer end as UNAVAILABLE.
  void Stop();

  // Calls `read` with the replica locked. Keep it short and take copies; never call back into the hub.
  void Read(const std::function<void(const ReplicaView&)>& read) const;

  uint64_t dropped_count() const;  // updates that did not fit into a queue
  // Monotonic nanoseconds at which the hub's loop last turned; it turns at least once a second.
  int64_t last_turn_ns() const;
  // Wakes waiters when something changed; false at `deadline_ns` (monotonic). For tests and watchers.
  bool WaitForChange(uint64_t seen_revision, int64_t deadline_ns) const;
};

}  // namespace shmemd::feed
