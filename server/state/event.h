// What happened, as trivially copyable data: the only thing that changes a Backend. Made by those who move
// messages, applied by them and by everyone who keeps a copy, with the same result.
#pragma once

#include <cstdint>
#include <type_traits>
#include <variant>

#include "server/state/findings.h"
#include "server/state/mapping.h"
#include "server/state/status.h"

namespace shmemd::state {

// Identifies an attached back-end for its lifetime; never used again. Interned, so that events stay small.
enum class BackendHandle : uint32_t {};

// A connection was made: a new epoch begins. Findings of the one before are closed, but for those that tell
// why it ended; peaks start again.
struct Connected {
  PeerProcess peer;
};
// Relay: who the VMM is. Comes after Connected.
struct FrontendConnected {
  PeerProcess peer;
};
struct StateChanged {
  BackendState state{};
  Cause cause;
};
// The connection ended. Frontend mode: all mappings are gone at once; relay: they become STALE, what is gone
// was cleared before. Sizes stay.
struct Disconnected {
  BackendState state{};  // kDisconnected or kFailed
  Cause cause;
};
struct FeaturesSeen {
  Features features;
};
// A size was reported for a shmid (again).
struct RegionReported {
  uint64_t size_bytes = 0;
  uint8_t shmid = 0;
  Exposed exposed = Exposed::kUnknown;
};
// A shmid is not reported any more. Its counters stay.
struct RegionRetired {
  uint8_t shmid = 0;
};
// The reply as sent. Comes after the RegionReported and RegionRetired that follow from it. Findings that tell
// why a connection before ended are closed.
struct ConfigSeen {
  ShmemConfig config;
};
// GET_SHMEM_CONFIG was asked and answered, or not.
struct QueryDone {
  int64_t duration_ns = 0;
  bool failed = false;
};
struct MapRequested {
  MapRequest request;
};
struct MapSettled {
  MapRequest request;
  int64_t ack_latency_ns = -1;  // -1: nobody was asked to answer
  int32_t error_number = 0;     // positive errno that was answered; 0: done
  RequestFailure failure = RequestFailure::kNone;
};
struct UnmapRequested {
  UnmapRequest request;
};
struct UnmapSettled {
  UnmapRequest request;
  int64_t ack_latency_ns = -1;
  int32_t error_number = 0;
  RequestFailure failure = RequestFailure::kNone;
};
struct FindingRaised {
  FindingCode code{};
  int16_t shmid = kWholeBackend;
  EvidenceList evidence{};
};
struct FindingClosed {
  FindingCode code{};
  int16_t shmid = kWholeBackend;
};
// All mappings may be without an owner from here on.
struct MappingsStaled {};
// All mappings are known to be gone.
struct MappingsCleared {};
// Peaks start again from what is mapped now: of one region, or of all.
struct PeaksReset {
  int16_t shmid = kWholeBackend;
};

// Relay: the rings started or stopped.
struct DeviceStateChanged {
  DeviceState state{};
};
// The device was reset. Suspected: the VMM did not say so, but its memory table came back without mappings
// that were in it. Known: all mappings are gone.
struct DeviceReset {
  bool suspected = false;
};
// Relay: a memory table of the VMM was seen to hold this mapping, or not. One that is held is MAPPED again if
// it was STALE: it still exists.
struct MappingEchoed {
  uint64_t shm_offset = 0;
  int64_t file_size_bytes = -1;  // of the mapping's file by now; -1: not seen
  uint8_t shmid = 0;
  InMemoryTable in_memory_table{};
};
// Relay: whether the conversation can be followed; kNone: from its start again.
struct ObservationChanged {
  Observation observation;
};
// Relay: absolute numbers.
struct TrafficCounted {
  Traffic traffic{};
};
// Relay: absolute numbers.
struct ForwardsTimed {
  DurationHistogram durations;
};
// Relay: the guard answered or dropped a request. `code` is kGuardRefused or kGuardDropped.
struct GuardActed {
  FindingCode code{};
};

using EventBody = std::variant<Connected, FrontendConnected, StateChanged, Disconnected, FeaturesSeen,
                               RegionReported, RegionRetired, ConfigSeen, QueryDone, MapRequested, MapSettled,
                               UnmapRequested, UnmapSettled, FindingRaised, FindingClosed, MappingsStaled,
                               MappingsCleared, PeaksReset, DeviceStateChanged, DeviceReset, MappingEchoed,
                               ObservationChanged, TrafficCounted, ForwardsTimed, GuardActed>;

struct Event {
  static constexpr uint32_t kVersion = 1;

  uint32_t version = kVersion;
  BackendHandle backend{};
  uint64_t sequence = 0;     // of its source, from 1 without a gap
  int64_t wall_time_ns = 0;  // when it happened
  EventBody body;
};

static_assert(std::is_trivially_copyable_v<Event>);
static_assert(sizeof(Event) <= 256);

}  // namespace shmemd::state
