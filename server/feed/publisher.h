// The mover's end of the feed: owns the authoritative tables of its back-ends, numbers what happens to them
// and puts it on a bounded queue. Never waits: a full queue marks "lost", and the hub is caught up in slices
// later.
//
// Used by the mover's thread only. Several movers have a publisher and a queue each.
#pragma once

#include <absl/container/btree_map.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>

#include "server/feed/update_queue.h"
#include "server/state/backend.h"
#include "server/state/event.h"

namespace shmemd::feed {

class Publisher {
 public:
  // Mappings in one slice of a resync.
  static constexpr size_t kSliceEntries = 256;

  // `queue` outlives the publisher. `source` (0 to 255) makes the handles of several movers distinct.
  // `page_size` of the host, in bytes.
  Publisher(UpdateQueue& queue, uint8_t source, uint64_t page_size);
  Publisher(const Publisher&) = delete;
  Publisher& operator=(const Publisher&) = delete;

  state::BackendHandle Attach(state::BackendSpec spec);
  void Detach(state::BackendHandle backend);

  // Stamps it with time and sequence, applies it, passes it on. Unknown handles are ignored.
  void Publish(state::BackendHandle backend, const state::EventBody& body);

  // nullptr: not attached.
  const state::Backend* Find(state::BackendHandle backend) const;

  // Whether the hub has to be caught up. While true, call ResyncStep once per loop turn when no message is
  // ready.
  bool resync_pending() const { return queue_.lost() || resync_.has_value(); }
  // Sends at most one slice of kSliceEntries. False: the queue has no room now; try again later.
  bool ResyncStep();

 private:
  struct Tracked {
    std::shared_ptr<const state::BackendSpec> spec;
    std::unique_ptr<state::Backend> table;
  };
  // Where a resync stands: the next thing to send.
  struct Resync {
    std::optional<state::BackendHandle> backend;  // nullopt: the next one after `done`
    uint32_t done = 0;                            // handles up to this one are sent
    uint8_t shmid = 0;
    uint64_t shm_offset = 0;
    bool mappings_done = false;
  };

  void Send(Update&& update);
  Update AttachedUpdate(const Tracked& tracked) const;
  bool BeginResync();
  Update NextSlice();
  Update NextMappings(const state::Backend& table);
  static Update StatusOf(const state::Backend& table);

  UpdateQueue& queue_;
  const uint64_t page_size_;
  const uint64_t start_ns_;
  uint32_t next_handle_;
  uint64_t sequence_ = 0;
  absl::btree_map<state::BackendHandle, Tracked> tracked_;
  std::optional<Resync> resync_;
};

}  // namespace shmemd::feed
