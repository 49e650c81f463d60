// What the VMM's memory table says of mappings: those that it shows exist, also STALE ones, with their files
// as large as they are by then; a table that comes back without mappings that it showed before hints at a
// reset of the device.
//
// A table without a mapping alone proves nothing: a guest that turns memory decoding off looks the same.
// Plain value, used on the tracker's thread.
#pragma once

#include <cstdint>
#include <span>

#include "server/base/fd_facts.h"
#include "server/session/memory_table.h"
#include "server/session/tracker_options.h"
#include "server/state/event.h"

namespace shmemd::session {

class MemoryEcho {
 public:
  // Mappings that are compared; with more of them in_memory_table stays as it is.
  static constexpr uint64_t kMostMappings = 4096;

  // Messages of the front-end. False: the payload cannot be read, nothing follows from it.
  bool TableSet(std::span<const uint8_t> payload, std::span<const base::FdFacts> fds,
                const EventWriter& events);
  bool RegionAdded(std::span<const uint8_t> payload, std::span<const base::FdFacts> fds,
                   const EventWriter& events);
  bool RegionRemoved(std::span<const uint8_t> payload, const EventWriter& events);

  // A mapping was settled; its echo may have been seen before its answer, on the other channel.
  void Mapped(const state::MapRequest& request, const EventWriter& events);

  // Before the first ring runs the VMM has told of all memory: who tells it piece by piece says nothing of
  // what has stayed.
  void DeviceStarted(const EventWriter& events);
  void DeviceStopped() { reset_suspected_ = false; }

  void set_configure_mem_slots(bool agreed) { configure_mem_slots_ = agreed; }

 private:
  enum class Scope : uint8_t { kAll, kShownOnly, kGoneOnly };
  // `about`: only mappings that this region shows; nullptr: all.
  void Compare(Scope scope, const MemoryTable::Region* about, const EventWriter& events);
  void CountRegions(const EventWriter& events);

  MemoryTable table_;
  uint64_t other_regions_ = 0;  // of the table, that are no mapping: the guest's RAM
  bool configure_mem_slots_ = false;
  bool reset_suspected_ = false;  // said since the device stopped
};

}  // namespace shmemd::session
