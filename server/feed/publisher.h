// The mover's end of the feed: owns the authoritative tables of its back-ends, numbers what happens to them and puts
// it on a bounded queue. Never waits: a full queue marks "lost", and the hub is caught up in slices later.
//
// Used by the mover's thread only. Several movers have a publisher and a queue each.
#pragma once

#include <absl/container/flat_hash_map.h>

#include <cstdint>
#include <memory>
#include <string>

#include "server/feed/update_queue.h"
#include "server/state/backend.h"
#include "server/state/event.h"

namespace shmemd::feed {

class Publisher {
 public:
  static constexpr size_t kSliceEntries = 256;

  // `queue` outlives the publisher. `source` (0 to 255) makes handles of several movers distinct. `page_size` in bytes.
  Publisher(UpdateQueue& queue, uint8_t source, uint64_t page_size);
  ~Publisher();
  Publisher(const Publisher&) = delete;
  Publisher& operator=(const Publisher&) = delete;

  state::BackendHandle Attach(state::BackendSpec spec);
  void Detach(state::BackendHandle backend);

  // Stamps it with time and sequence, applies it, passes it on. Unknown handles are ignored.
  void Publish(state::BackendHandle backend, const state::EventBody& body);

  // nullptr: not attached.
  const state::Backend* Find(state::BackendHandle backend) const;

  // Whether the hub has to be caught up. Call ResyncStep once per loop turn, when no message is ready, while true.
  bool resync_pending() const;
  // Sends at most one slice of kSliceEntries. Does nothing while the queue has no room.
  void ResyncStep();
};

}  // namespace shmemd::feed
