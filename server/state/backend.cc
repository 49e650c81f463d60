#include "server/state/backend.h"

#include <algorithm>
#include <bit>
#include <limits>
#include <utility>
#include <variant>

#include "server/state/request_findings.h"

namespace shmemd::state {
namespace {

uint64_t SaturatingAdd(uint64_t left, uint64_t right) {
  uint64_t sum = 0;
  return __builtin_add_overflow(left, right, &sum) ? std::numeric_limits<uint64_t>::max() : sum;
}

bool EndedConnection(FindingCode code) {
  return code == FindingCode::kShmemAdvertisedNoConfig || code == FindingCode::kConfigReplyMalformed ||
         code == FindingCode::kMessageTooLarge;
}

}  // namespace

Backend::Backend(BackendHandle handle, BackendSpec spec, std::string uid, int64_t create_time_ns,
                 uint64_t page_size)
    : handle_(handle),
      spec_(std::move(spec)),
      uid_(std::move(uid)),
      page_size_(std::max<uint64_t>(page_size, 1)) {
  status_.create_time_ns = create_time_ns;
  status_.update_time_ns = create_time_ns;
}

void Backend::Apply(const Event& event) {
  // Sums of traffic are metrics, and not shown with the back-end.
  const bool traffic =
      std::holds_alternative<TrafficCounted>(event.body) || std::holds_alternative<ForwardsTimed>(event.body);
  if (!traffic) status_.update_time_ns = event.wall_time_ns;
  std::visit([&](const auto& body) { Take(body, event); }, event.body);
}

const Region* Backend::FindRegion(uint8_t shmid) const {
  const auto found = regions_.find(shmid);
  return found == regions_.end() ? nullptr : &found->second;
}

bool Backend::up() const {
  return status_.state == BackendState::kActive || status_.state == BackendState::kProbed;
}

BackendTotals Backend::Totals() const {
  BackendTotals totals;
  for (const auto& [shmid, region] : regions_) {
    if (!region.listed()) continue;
    const RegionTotals& of_region = region.table.totals();
    ++totals.region_count;
    const uint64_t size_bytes = region.status.reported ? region.status.size_bytes : 0;
    totals.size_bytes = SaturatingAdd(totals.size_bytes, size_bytes);
    totals.mapping_count += of_region.mapping_count;
    totals.mapped_bytes = SaturatingAdd(totals.mapped_bytes, of_region.mapped_bytes);
    totals.stale_bytes = SaturatingAdd(totals.stale_bytes, of_region.stale_bytes);
    totals.at_risk_bytes = SaturatingAdd(totals.at_risk_bytes, of_region.at_risk_bytes);
  }
  totals.open_finding_count = static_cast<uint64_t>(
      std::count_if(findings_.begin(), findings_.end(), [](const auto& entry) { return entry.second.open; }));
  return totals;
}

// Findings speak of what this connection showed: those of the one before are history now. But why a
// connection ended stays open until one did better: a back-end that never answers is connected to again and
// again. A new session starts without mappings: whatever a VMM had before, this one has not.
void Backend::Take(const Connected& body, const Event& event) {
  ++status_.epoch;
  status_.peer = body.peer;
  status_.connect_time_ns = event.wall_time_ns;
  status_.pending_requests = 0;
  status_.frontend_peer = {};
  status_.device_state = DeviceState::kUnknown;
  status_.observation = {};
  ClearMappings(event.wall_time_ns);
  for (auto& [key, finding] : findings_) {
    if (!EndedConnection(finding.code)) finding.open = false;
  }
  RestartPeaks(kWholeBackend);
}

void Backend::Take(const FrontendConnected& body, const Event&) { status_.frontend_peer = body.peer; }

void Backend::Take(const StateChanged& body, const Event&) {
  status_.state = body.state;
  status_.cause = body.cause;
}

void Backend::Take(const Disconnected& body, const Event& event) {
  status_.state = body.state;
  status_.cause = body.cause;
  status_.pending_requests = 0;
  status_.device_state = DeviceState::kUnknown;
  const auto reason = static_cast<size_t>(body.cause.reason);
  if (reason < status_.disconnect_counts.size()) ++status_.disconnect_counts[reason];
  // Behind a relay the VMM may go on using what was mapped.
  if (spec_.mode == Mode::kRelay) {
    StaleMappings(event.wall_time_ns);
  } else {
    ClearMappings(event.wall_time_ns);
  }
}

void Backend::Take(const FeaturesSeen& body, const Event&) { status_.features = body.features; }

void Backend::Take(const RegionReported& body, const Event& event) {
  Region& region = Named(body.shmid, event.wall_time_ns);
  region.status.size_bytes = body.size_bytes;
  region.status.exposed = body.exposed;
  region.status.reported = true;
  region.table.SetSize(body.size_bytes);
}

void Backend::Take(const RegionRetired& body, const Event& event) {
  if (FindRegion(body.shmid) == nullptr) return;
  Region& region = Named(body.shmid, event.wall_time_ns);
  region.status.size_bytes = 0;
  region.status.exposed = Exposed::kUnknown;
  region.status.reported = false;
  region.table.SetSize(std::nullopt);
}

void Backend::Take(const ConfigSeen& body, const Event&) {
  status_.config = body.config;
  for (auto& [key, finding] : findings_) {
    if (EndedConnection(finding.code)) finding.open = false;
  }
}

void Backend::Take(const QueryDone& body, const Event&) {
  ++status_.query_count;
  if (body.failed) ++status_.query_failure_count;
  status_.query_durations.Observe(body.duration_ns);
}

void Backend::Take(const FindingRaised& body, const Event& event) {
  Raise(body.code, body.shmid, body.evidence, event.wall_time_ns);
}

void Backend::Take(const FindingClosed& body, const Event&) { Close(body.code, body.shmid); }

void Backend::Take(const MappingsStaled&, const Event& event) { StaleMappings(event.wall_time_ns); }

void Backend::Take(const MappingsCleared&, const Event& event) { ClearMappings(event.wall_time_ns); }

void Backend::Take(const PeaksReset& body, const Event&) { RestartPeaks(body.shmid); }

void Backend::Take(const DeviceStateChanged& body, const Event&) { status_.device_state = body.state; }

void Backend::Take(const DeviceReset& body, const Event& event) {
  ++status_.reset_count;
  if (body.suspected) {
    Raise(FindingCode::kStaleAfterReset, kWholeBackend, {{{EvidenceKey::kLen, Totals().stale_bytes}}},
          event.wall_time_ns);
  } else {
    ClearMappings(event.wall_time_ns);
    Close(FindingCode::kStaleAfterReset, kWholeBackend);
  }
}

void Backend::Take(const MappingEchoed& body, const Event& event) {
  if (FindRegion(body.shmid) == nullptr) return;
  Region& region = Named(body.shmid, event.wall_time_ns);
  region.table.SetInMemoryTable(body.shm_offset, body.in_memory_table);
  if (body.file_size_bytes >= 0) SetFileSize(region, body, event.wall_time_ns);
  region.status.peak_mapped_bytes =
      std::max(region.status.peak_mapped_bytes, region.table.totals().mapped_bytes);
}

void Backend::SetFileSize(Region& region, const MappingEchoed& body, int64_t wall_time_ns) {
  const uint16_t before = region.table.oddities();
  std::optional<Mapping> mapping = region.table.Find(body.shm_offset);
  if (!mapping || mapping->shm_offset != body.shm_offset) return;
  if (mapping->fd.size_bytes == body.file_size_bytes) return;
  region.table.SetFileSize(body.shm_offset, body.file_size_bytes);
  CloseOddities(region, before);
  mapping->fd.size_bytes = body.file_size_bytes;
  const uint16_t odd = SizeOddityOf(*mapping);
  if (odd == 0) return;
  MapRequest request;
  request.shm_offset = mapping->shm_offset;
  request.len = mapping->len;
  request.fd_offset = mapping->fd_offset;
  request.fd = mapping->fd;
  const FindingCode code = OddityFinding(std::countr_zero(odd));
  Raise(code, body.shmid, MapEvidence(code, request, {}), wall_time_ns);
}

void Backend::Take(const ObservationChanged& body, const Event&) { status_.observation = body.observation; }

void Backend::Take(const TrafficCounted& body, const Event&) { status_.traffic = body.traffic; }

void Backend::Take(const ForwardsTimed& body, const Event&) { status_.forward_durations = body.durations; }

void Backend::Take(const GuardActed& body, const Event&) {
  ++(body.code == FindingCode::kGuardDropped ? status_.guard_dropped : status_.guard_refused);
}

// The region of a shmid; known from here on.
Region& Backend::Named(uint8_t shmid, int64_t wall_time_ns) {
  auto found = regions_.find(shmid);
  if (found == regions_.end()) {
    found = regions_.emplace(shmid, Region{{}, RegionTable(pool_, shmid)}).first;
    found->second.status.shmid = shmid;
    found->second.status.create_time_ns = wall_time_ns;
  }
  found->second.status.update_time_ns = wall_time_ns;
  return found->second;
}

void Backend::ClearMappings(int64_t wall_time_ns) {
  for (auto& [shmid, region] : regions_) {
    if (region.table.totals().mapping_count == 0) continue;
    const uint16_t before = region.table.oddities();
    region.table.Clear();
    region.status.update_time_ns = wall_time_ns;
    CloseOddities(region, before);
  }
}

void Backend::StaleMappings(int64_t wall_time_ns) {
  for (auto& [shmid, region] : regions_) {
    if (region.table.totals().mapping_count == 0) continue;
    region.table.MarkAllStale();
    region.status.update_time_ns = wall_time_ns;
  }
}

void Backend::RestartPeaks(int16_t of) {
  for (auto& [shmid, region] : regions_) {
    if (of != kWholeBackend && of != shmid) continue;
    region.status.peak_mapped_bytes = region.table.totals().mapped_bytes;
  }
}

void Backend::Raise(FindingCode code, int16_t shmid, const EvidenceList& evidence, int64_t wall_time_ns) {
  // Bounded whatever comes: one finding for each code and region.
  if (static_cast<int>(code) >= kFindingCodeCount || shmid < kWholeBackend || shmid > 255) return;
  const auto [found, added] = findings_.try_emplace(FindingKey{shmid, code});
  Finding& finding = found->second;
  if (added) {
    finding.code = code;
    finding.shmid = shmid;
    finding.first_seen_ns = wall_time_ns;
  }
  finding.open = true;
  finding.epoch = status_.epoch;
  ++finding.count;
  finding.last_seen_ns = wall_time_ns;
  finding.evidence = evidence;
}

void Backend::Close(FindingCode code, int16_t shmid) {
  const auto found = findings_.find(FindingKey{shmid, code});
  if (found != findings_.end()) found->second.open = false;
}

void Backend::CloseOddities(const Region& region, uint16_t before) {
  for (unsigned gone = before & ~static_cast<unsigned>(region.table.oddities()); gone != 0;
       gone &= gone - 1) {
    const int bit = std::countr_zero(gone);
    const FindingCode code = OddityFinding(bit);
    if (code != FindingCode::kShrinkableBacking) {
      Close(code, region.status.shmid);
    } else if (!AnyRegionHas(kOddShrinkableBacking)) {
      Close(code, kWholeBackend);
    }
  }
}

bool Backend::AnyRegionHas(uint16_t oddity) const {
  return std::any_of(regions_.begin(), regions_.end(),
                     [oddity](const auto& entry) { return (entry.second.table.oddities() & oddity) != 0; });
}

void Backend::RestoreStatus(const BackendStatus& status) { status_ = status; }

void Backend::RestoreRegion(const RegionStatus& status) {
  Region& region = Named(status.shmid, status.update_time_ns);
  region.status = status;
  region.table.SetSize(status.reported ? std::optional<uint64_t>(status.size_bytes) : std::nullopt);
}

void Backend::RestoreMapping(const Mapping& mapping) {
  Named(mapping.shmid, mapping.request_time_ns).table.Insert(mapping);
}

void Backend::RestoreFindings(const std::vector<Finding>& findings) {
  findings_.clear();
  for (const Finding& finding : findings) findings_[{finding.shmid, finding.code}] = finding;
}

}  // namespace shmemd::state
