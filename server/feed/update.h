// What travels from a mover to the hub: events, and slices of absolute state for a hub that lost some.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "server/state/backend.h"
#include "server/state/event.h"

namespace shmemd::feed {

// A back-end was attached. In a resync its status comes along, since what the live events between the slices
// mean depends on it (a mapping belongs to the current epoch); everything else comes later.
struct Attached {
  state::BackendHandle backend{};
  std::shared_ptr<const state::BackendSpec> spec;
  std::string uid;
  state::BackendStatus status;
};
struct Detached {
  state::BackendHandle backend{};
};

// A resync: SnapshotBegin, then for each back-end Attached and slices of at most 256 entries with the live
// events in between, then SnapshotEnd. The hub shows its old replica until the end, then changes over at
// once.
struct SnapshotBegin {};
struct SnapshotEnd {};
struct MappingSlice {
  state::BackendHandle backend{};
  std::vector<state::Mapping> mappings;
};
// Sent after the mappings of its back-end, so that the absolute counters include every event sent before.
struct StatusSlice {
  state::BackendHandle backend{};
  state::BackendStatus status;
  std::vector<state::RegionStatus> regions;
  std::vector<state::Finding> findings;
};

// Slices are boxed: they are rare and large, events are frequent and small.
using Update = std::variant<state::Event, std::unique_ptr<Attached>, Detached, SnapshotBegin, SnapshotEnd,
                            std::unique_ptr<MappingSlice>, std::unique_ptr<StatusSlice>>;

}  // namespace shmemd::feed
