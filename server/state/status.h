// Where the conversation with a back-end stands, as trivially copyable values.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "server/state/mapping.h"

namespace shmemd::state {

enum class BackendState : uint8_t {
  kConnecting,
  kWaitingForFrontend,
  kNegotiating,
  kActive,
  kProbed,
  kUnsupported,
  kDisconnected,
  kFailed,
  kDetaching,
};
inline constexpr int kBackendStateCount = 9;

enum class StateReason : uint8_t {
  kNone,
  kSocketMissing,
  kConnectionRefused,
  kConnectFailed,
  kConnectTimeout,
  kClosedByBackend,
  kClosedMidMessage,
  kReplyTimeout,
  kProtocolError,
  kMessageTooLarge,
  kUnexpectedFds,
  kConfigReplyMalformed,
  kNoProtocolFeatures,
  kShmemNotOffered,
  kShmemOlderBit,
  kSystemError,
  kClosedByShmemd,
  kRequestRefused,
  kClosedByFrontend,
};
inline constexpr int kStateReasonCount = 19;

// What of a message was not as expected.
enum class WireAspect : uint8_t {
  kNone,
  kRequestId,
  kFlags,
  kPayloadBytes,
  kFdCount,
  kReplyValue,
};

// Why a state was entered; words are made from it by CauseText.
struct Cause {
  StateReason reason = StateReason::kNone;
  WireAspect aspect = WireAspect::kNone;
  bool on_backend_channel = false;  // message_id is of the back-end channel
  uint32_t message_id = 0;          // the message or the awaited reply; 0: none
  int32_t error_number = 0;         // errno; 0: none
  uint32_t waited_ms = 0;           // for time-outs
  uint64_t expected = 0;
  uint64_t got = 0;

  bool operator==(const Cause&) const = default;
};

// "reply to GET_SHMEM_CONFIG: payload bytes: expected 8 to 2056, got 2064". `message_name` is given by the
// caller: the model does not know the wire. Empty for kNone.
std::string CauseText(const Cause& cause, std::string_view message_name);
const char* BackendStateName(BackendState state);  // "ACTIVE"
const char* StateReasonName(StateReason reason);   // "REPLY_TIMEOUT"

struct PeerProcess {
  uint32_t uid = 0;
  uint32_t gid = 0;
  int32_t pid = 0;              // 0: not visible
  std::array<char, 16> comm{};  // zero-terminated; empty: not visible
  bool known = false;

  bool operator==(const PeerProcess&) const = default;
};

struct Features {
  uint64_t virtio = 0;            // GET_FEATURES
  uint64_t offered_protocol = 0;  // GET_PROTOCOL_FEATURES
  uint64_t acked_protocol = 0;    // SET_PROTOCOL_FEATURES
  int8_t shmem_bit = -1;          // 22, or the older bit it seems to be offered at; -1: not offered
  bool known = false;

  bool operator==(const Features&) const = default;
};

enum class NumRegionsMeaning : uint8_t { kUnknown, kCountOrSpan, kCount, kSpan, kTooSmall, kTooLarge };
enum class ConfigSource : uint8_t { kNotSeen, kAsked, kSeen };

// What the back-end really sent.
struct ShmemConfig {
  uint32_t reported_num_regions = 0;
  uint16_t nonzero_size_count = 0;
  int16_t highest_shmid = -1;  // -1: none
  uint32_t reply_payload_bytes = 0;
  NumRegionsMeaning meaning = NumRegionsMeaning::kUnknown;
  ConfigSource source = ConfigSource::kNotSeen;
  bool padding_nonzero = false;
  int64_t observe_time_ns = 0;  // wall clock

  bool operator==(const ShmemConfig&) const = default;
};

const char* NumRegionsMeaningName(NumRegionsMeaning meaning);  // "COUNT_OR_SPAN"

// Whether the virtio device runs, as its rings tell.
enum class DeviceState : uint8_t { kUnknown, kStopped, kStarted };
const char* DeviceStateName(DeviceState state);  // "STARTED"

// Why a relayed conversation cannot be followed any more, though it goes on.
enum class UnobservedReason : uint8_t {
  kNone,
  kPairingLost,        // an answer did not belong to the oldest request
  kTooManyPending,     // more requests without an answer than are remembered
  kBackendChannelOdd,  // SET_BACKEND_REQ_FD did not carry exactly one stream socket
  kMessageTooLarge,    // a reply that was awaited is larger than what is looked into
  kTooManyMappings,    // more mappings than are kept of one back-end
};
inline constexpr int kUnobservedReasonCount = 6;
// "PAIRING_LOST: expected an answer to message 9, got 10". `cause` has the numbers. Empty for kNone.
struct Observation {
  UnobservedReason reason = UnobservedReason::kNone;
  bool on_backend_channel = false;  // else on the main channel
  uint32_t expected = 0;
  uint32_t got = 0;

  bool operator==(const Observation&) const = default;
};
std::string UnobservedText(const Observation& observation);

// What one side sent on one channel of a relay, since the back-end was attached. Never falls.
struct TrafficCounters {
  uint64_t messages = 0;
  uint64_t bytes = 0;
  uint64_t fds = 0;
  uint64_t decode_errors = 0;

  bool operator==(const TrafficCounters&) const = default;
};
// By channel (0: main, 1: back-end channel), then by sender (0: front-end, 1: back-end).
using Traffic = std::array<std::array<TrafficCounters, 2>, 2>;

enum class Exposed : uint8_t { kUnknown, kYes, kNo };

// Durations in buckets whose upper bounds are powers of four from 1 microsecond to 16.8 seconds.
struct DurationHistogram {
  static constexpr int kBucketCount = 13;           // 1 us * 4^i; the last is 16.8 s
  std::array<uint64_t, kBucketCount + 1> counts{};  // not cumulative; the last one is +Inf
  int64_t sum_ns = 0;

  void Observe(int64_t duration_ns);
  static double UpperBoundSeconds(int bucket);
  bool operator==(const DurationHistogram&) const = default;
};

// All of a back-end but its regions, mappings and findings.
struct BackendStatus {
  BackendState state = BackendState::kConnecting;
  Cause cause;
  Features features;
  ShmemConfig config;
  PeerProcess peer;
  PeerProcess frontend_peer;  // relay: the VMM's process
  DeviceState device_state = DeviceState::kUnknown;
  Observation observation;   // relay: whether what is shown follows the traffic
  uint32_t epoch = 0;        // connections made
  uint32_t reset_count = 0;  // device resets seen
  uint32_t pending_requests = 0;
  int64_t create_time_ns = 0;  // wall clock, as all times here
  int64_t connect_time_ns = 0;
  int64_t update_time_ns = 0;
  uint64_t query_count = 0;
  uint64_t query_failure_count = 0;
  std::array<uint64_t, kStateReasonCount> disconnect_counts{};
  DurationHistogram query_durations;
  DurationHistogram map_durations;
  DurationHistogram forward_durations;  // relay: message seen to message handed on
  Traffic traffic{};                    // relay
  uint64_t guard_refused = 0;           // relay: requests that the guard answered itself
  uint64_t guard_dropped = 0;           // relay: requests without NEED_REPLY that the guard dropped

  bool operator==(const BackendStatus&) const = default;
};

// Counters of one shmid. They live as long as the back-end and never fall.
struct RequestCounters {
  uint64_t map_requests = 0;
  uint64_t unmap_requests = 0;
  uint64_t map_bytes_total = 0;
  std::array<uint64_t, kRequestFailureCount> map_failures{};
  std::array<uint64_t, kRequestFailureCount> unmap_failures{};

  uint64_t map_failure_count() const;
  uint64_t unmap_failure_count() const;
  bool operator==(const RequestCounters&) const = default;
};

// All of a region but its mappings.
struct RegionStatus {
  uint64_t size_bytes = 0;  // as reported; meaningful if reported
  uint64_t peak_mapped_bytes = 0;
  int64_t create_time_ns = 0;
  int64_t update_time_ns = 0;
  RequestCounters counters;
  uint8_t shmid = 0;
  bool reported = false;  // the back-end reported a size for it
  Exposed exposed = Exposed::kUnknown;

  bool operator==(const RegionStatus&) const = default;
};

}  // namespace shmemd::state
