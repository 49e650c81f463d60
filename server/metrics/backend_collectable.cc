#include "server/metrics/backend_collectable.h"

#include <array>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include "server/metrics/samples.h"

namespace shmemd::metrics {
namespace {

// What a scrape needs of a region, copied while the replica is locked.
struct RegionNumbers {
  state::RegionStatus status;
  state::RegionTotals totals;
  std::optional<uint64_t> size_bytes;
  uint64_t largest_hole_bytes = 0;
  uint64_t hole_count = 0;
  bool listed = false;
};

struct BackendNumbers {
  std::string id;
  state::Mode mode{};
  bool up = false;
  state::BackendStatus status;
  std::vector<RegionNumbers> regions;
  std::map<std::pair<state::Severity, std::string_view>, int> open_findings;
};

BackendNumbers NumbersOf(const state::Backend& backend) {
  BackendNumbers numbers;
  numbers.id = backend.spec().id;
  numbers.mode = backend.spec().mode;
  numbers.up = backend.up();
  numbers.status = backend.status();
  numbers.regions.reserve(backend.regions().size());
  for (const auto& [shmid, region] : backend.regions()) {
    numbers.regions.push_back({region.status, region.table.totals(), region.table.size_bytes(),
                               region.table.largest_hole_bytes(), region.table.hole_count(),
                               region.listed()});
  }
  for (const auto& [key, finding] : backend.findings()) {
    if (!finding.open) continue;
    ++numbers.open_findings[{state::FindingSeverity(finding.code), state::FindingCodeName(finding.code)}];
  }
  return numbers;
}

double Number(uint64_t value) { return static_cast<double>(value); }

// Reasons for which a connection ends in this mode. They are counted from zero, since a rate misses what a
// series begins with; any other appears when it occurs.
bool IsUsualEnd(state::Mode mode, state::StateReason reason) {
  using state::StateReason;
  switch (reason) {
    case StateReason::kClosedByBackend:
    case StateReason::kClosedMidMessage:
    case StateReason::kProtocolError:
    case StateReason::kMessageTooLarge:
    case StateReason::kSystemError:
    case StateReason::kClosedByShmemd:
      return true;
    case StateReason::kReplyTimeout:
    case StateReason::kUnexpectedFds:
    case StateReason::kConfigReplyMalformed:
    case StateReason::kRequestRefused:
      return mode != state::Mode::kRelay;
    case StateReason::kClosedByFrontend:
      return mode == state::Mode::kRelay;
    default:
      return false;
  }
}

void AddDisconnects(Samples& samples, const BackendNumbers& backend) {
  const auto& counts = backend.status.disconnect_counts;
  for (size_t i = 0; i < counts.size(); ++i) {
    const auto reason = static_cast<state::StateReason>(i);
    if (counts[i] == 0 && !IsUsualEnd(backend.mode, reason)) continue;
    samples.Add(Metric::kBackendDisconnects, {backend.id, state::StateReasonName(reason)}, Number(counts[i]));
  }
}

// Only reasons that occurred: there may be 256 regions, with 15 reasons each. A relay knows one reason only,
// which is counted from zero.
template <typename Counts>
void AddFailures(Samples& samples, Metric metric, const BackendNumbers& backend, std::string_view shmid,
                 const Counts& counts) {
  for (size_t i = 0; i < counts.size(); ++i) {
    const auto failure = static_cast<state::RequestFailure>(i);
    const bool always = backend.mode == state::Mode::kRelay && failure == state::RequestFailure::kRefused;
    if (counts[i] == 0 && !always) continue;
    samples.Add(metric, {backend.id, shmid, state::RequestFailureName(failure)}, Number(counts[i]));
  }
}

void AddSettled(Samples& samples, std::string_view id, std::string_view shmid, const RegionNumbers& region) {
  samples.Add(Metric::kMappedBytes, {id, shmid}, Number(region.totals.mapped_bytes));
  samples.Add(Metric::kAssumedBytes, {id, shmid}, Number(region.totals.assumed_bytes));
  samples.Add(Metric::kStaleBytes, {id, shmid}, Number(region.totals.stale_bytes));
  samples.Add(Metric::kAtRiskBytes, {id, shmid}, Number(region.totals.at_risk_bytes));
  samples.Add(Metric::kMappedPeakBytes, {id, shmid}, Number(region.status.peak_mapped_bytes));
  samples.Add(Metric::kWritableMappedBytes, {id, shmid}, Number(region.totals.writable_bytes));
  samples.Add(Metric::kMappings, {id, shmid}, Number(region.totals.mapping_count));
  samples.Add(Metric::kRegionInfo, {id, shmid, ""}, 1);
  if (!region.size_bytes) return;
  samples.Add(Metric::kRegionSizeBytes, {id, shmid}, Number(*region.size_bytes));
  samples.Add(Metric::kLargestFreeExtentBytes, {id, shmid}, Number(region.largest_hole_bytes));
  samples.Add(Metric::kFreeExtents, {id, shmid}, Number(region.hole_count));
}

void AddRegion(Samples& samples, const BackendNumbers& backend, const RegionNumbers& region) {
  const std::string& id = backend.id;
  const std::string shmid = std::to_string(region.status.shmid);
  if (region.listed) AddSettled(samples, id, shmid, region);
  const state::RequestCounters& counters = region.status.counters;
  samples.Add(Metric::kMapRequests, {id, shmid}, Number(counters.map_requests));
  samples.Add(Metric::kUnmapRequests, {id, shmid}, Number(counters.unmap_requests));
  samples.Add(Metric::kMapBytes, {id, shmid}, Number(counters.map_bytes_total));
  AddFailures(samples, Metric::kMapFailures, backend, shmid, counters.map_failures);
  AddFailures(samples, Metric::kUnmapFailures, backend, shmid, counters.unmap_failures);
}

void AddConversation(Samples& samples, const BackendNumbers& backend) {
  const std::string& id = backend.id;
  const state::BackendStatus& status = backend.status;
  samples.Add(Metric::kBackendUp, {id}, backend.up ? 1 : 0);
  const auto bit = status.features.shmem_bit;
  samples.Add(Metric::kBackendInfo,
              {id, state::ModeName(backend.mode), bit < 0 ? "" : std::to_string(bit),
               state::NumRegionsMeaningName(status.config.meaning)},
              1);
  for (int i = 0; i < state::kBackendStateCount; ++i) {
    const auto state = static_cast<state::BackendState>(i);
    samples.Add(Metric::kBackendState, {id, state::BackendStateName(state)}, state == status.state ? 1 : 0);
  }
  samples.Add(Metric::kBackendConnects, {id}, status.epoch);
  AddDisconnects(samples, backend);
  samples.Add(Metric::kBackendResets, {id}, status.reset_count);
  samples.Add(Metric::kConfigQueries, {id}, Number(status.query_count));
  samples.Add(Metric::kConfigQueryFailures, {id}, Number(status.query_failure_count));
  samples.Add(Metric::kConfigQueryDuration, {id}, status.query_durations);
  samples.Add(Metric::kMapDuration, {id}, status.map_durations);
  for (const auto& [key, count] : backend.open_findings) {
    samples.Add(Metric::kFindings, {id, state::SeverityName(key.first), key.second}, count);
  }
}

void AddTraffic(Samples& samples, const std::string& id, const state::Traffic& traffic) {
  constexpr std::array<const char*, 2> kChannels = {"main", "backend"};
  constexpr std::array<const char*, 2> kSenders = {"frontend", "backend"};
  for (size_t channel = 0; channel < kChannels.size(); ++channel) {
    for (size_t sender = 0; sender < kSenders.size(); ++sender) {
      const state::TrafficCounters& sent = traffic[channel][sender];
      const auto add = [&](Metric metric, uint64_t count) {
        samples.Add(metric, {id, kChannels[channel], kSenders[sender]}, Number(count));
      };
      add(Metric::kRelayMessages, sent.messages);
      add(Metric::kRelayBytes, sent.bytes);
      add(Metric::kRelayFds, sent.fds);
      add(Metric::kRelayDecodeErrors, sent.decode_errors);
    }
  }
}

void AddRelay(Samples& samples, const BackendNumbers& backend) {
  const state::BackendStatus& status = backend.status;
  AddTraffic(samples, backend.id, status.traffic);
  samples.Add(Metric::kRelayForwardDuration, {backend.id}, status.forward_durations);
  for (const auto& [code, count] : {std::pair(state::FindingCode::kGuardRefused, status.guard_refused),
                                    std::pair(state::FindingCode::kGuardDropped, status.guard_dropped)}) {
    samples.Add(Metric::kRelayGuardActions, {backend.id, state::FindingCodeName(code)}, Number(count));
  }
}

}  // namespace

std::vector<prometheus::MetricFamily> BackendCollectable::Collect() const {
  std::vector<BackendNumbers> backends;
  hub_.Read([&](const feed::ReplicaView& view) {
    backends.reserve(view.backends.size());
    for (const auto& [id, backend] : view.backends) backends.push_back(NumbersOf(*backend));
  });
  Samples samples;
  for (const BackendNumbers& backend : backends) {
    for (const RegionNumbers& region : backend.regions) AddRegion(samples, backend, region);
    AddConversation(samples, backend);
    if (backend.mode == state::Mode::kRelay) AddRelay(samples, backend);
  }
  if (findings_ != nullptr) {
    for (const state::ServerFinding& finding : findings_->List(false)) {
      const std::string_view severity = state::SeverityName(state::FindingSeverity(finding.code));
      samples.Add(Metric::kFindings, {"", severity, state::FindingCodeName(finding.code)}, 1);
    }
  }
  return samples.TakeFamilies();
}

}  // namespace shmemd::metrics
