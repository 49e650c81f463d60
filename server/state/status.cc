#include "server/state/status.h"

#include <cmath>
#include <limits>
#include <numeric>

namespace shmemd::state {
namespace {

constexpr int64_t kFirstBoundNs = 1000;

int64_t UpperBoundNs(int bucket) { return kFirstBoundNs << (2 * bucket); }

// All but what did not fail.
uint64_t CountFailures(const std::array<uint64_t, kRequestFailureCount>& counts) {
  return std::accumulate(counts.begin() + 1, counts.end(), uint64_t{0});
}

}  // namespace

const char* BackendStateName(BackendState state) {
  switch (state) {
    case BackendState::kConnecting:
      return "CONNECTING";
    case BackendState::kWaitingForFrontend:
      return "WAITING_FOR_FRONTEND";
    case BackendState::kNegotiating:
      return "NEGOTIATING";
    case BackendState::kActive:
      return "ACTIVE";
    case BackendState::kProbed:
      return "PROBED";
    case BackendState::kUnsupported:
      return "UNSUPPORTED";
    case BackendState::kDisconnected:
      return "DISCONNECTED";
    case BackendState::kFailed:
      return "FAILED";
    case BackendState::kDetaching:
      return "DETACHING";
  }
  return "UNKNOWN";
}

const char* StateReasonName(StateReason reason) {
  switch (reason) {
    case StateReason::kNone:
      return "NONE";
    case StateReason::kSocketMissing:
      return "SOCKET_MISSING";
    case StateReason::kConnectionRefused:
      return "CONNECTION_REFUSED";
    case StateReason::kConnectFailed:
      return "CONNECT_FAILED";
    case StateReason::kConnectTimeout:
      return "CONNECT_TIMEOUT";
    case StateReason::kClosedByBackend:
      return "CLOSED_BY_BACKEND";
    case StateReason::kClosedMidMessage:
      return "CLOSED_MID_MESSAGE";
    case StateReason::kReplyTimeout:
      return "REPLY_TIMEOUT";
    case StateReason::kProtocolError:
      return "PROTOCOL_ERROR";
    case StateReason::kMessageTooLarge:
      return "MESSAGE_TOO_LARGE";
    case StateReason::kUnexpectedFds:
      return "UNEXPECTED_FDS";
    case StateReason::kConfigReplyMalformed:
      return "CONFIG_REPLY_MALFORMED";
    case StateReason::kNoProtocolFeatures:
      return "NO_PROTOCOL_FEATURES";
    case StateReason::kShmemNotOffered:
      return "SHMEM_NOT_OFFERED";
    case StateReason::kShmemOlderBit:
      return "SHMEM_OLDER_BIT";
    case StateReason::kSystemError:
      return "SYSTEM_ERROR";
    case StateReason::kClosedByShmemd:
      return "CLOSED_BY_SHMEMD";
    case StateReason::kRequestRefused:
      return "REQUEST_REFUSED";
    case StateReason::kClosedByFrontend:
      return "CLOSED_BY_FRONTEND";
  }
  return "UNKNOWN";
}

const char* DeviceStateName(DeviceState state) {
  switch (state) {
    case DeviceState::kUnknown:
      return "UNKNOWN";
    case DeviceState::kStopped:
      return "STOPPED";
    case DeviceState::kStarted:
      return "STARTED";
  }
  return "UNKNOWN";
}

const char* NumRegionsMeaningName(NumRegionsMeaning meaning) {
  switch (meaning) {
    case NumRegionsMeaning::kUnknown:
      return "UNKNOWN";
    case NumRegionsMeaning::kCountOrSpan:
      return "COUNT_OR_SPAN";
    case NumRegionsMeaning::kCount:
      return "COUNT";
    case NumRegionsMeaning::kSpan:
      return "SPAN";
    case NumRegionsMeaning::kTooSmall:
      return "TOO_SMALL";
    case NumRegionsMeaning::kTooLarge:
      return "TOO_LARGE";
  }
  return "UNKNOWN";
}

void DurationHistogram::Observe(int64_t duration_ns) {
  if (duration_ns < 0) duration_ns = 0;
  int bucket = 0;
  while (bucket < kBucketCount && duration_ns > UpperBoundNs(bucket)) ++bucket;
  ++counts[static_cast<size_t>(bucket)];
  if (__builtin_add_overflow(sum_ns, duration_ns, &sum_ns)) sum_ns = std::numeric_limits<int64_t>::max();
}

double DurationHistogram::UpperBoundSeconds(int bucket) {
  if (bucket >= kBucketCount) return std::numeric_limits<double>::infinity();
  return static_cast<double>(UpperBoundNs(bucket)) / 1e9;
}

uint64_t RequestCounters::map_failure_count() const { return CountFailures(map_failures); }

uint64_t RequestCounters::unmap_failure_count() const { return CountFailures(unmap_failures); }

}  // namespace shmemd::state
