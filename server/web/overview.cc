#include "server/web/overview.h"

#include <absl/container/flat_hash_map.h>

#include <algorithm>
#include <utility>
#include <variant>

#include "server/base/clock.h"
#include "server/web/attention.h"
#include "server/web/mapping_choice.h"
#include "server/web/redaction.h"

namespace shmemd::web {
namespace {

constexpr size_t kMaxEventsRead = 4096;

using LatelyByRegion = absl::flat_hash_map<uint64_t, Lately>;

uint64_t KeyOf(state::BackendHandle backend, uint8_t shmid) {
  return (static_cast<uint64_t>(backend) << 8) | shmid;
}

template <typename Settled>
bool Succeeded(const Settled& settled) {
  return settled.error_number == 0 && settled.failure == state::RequestFailure::kNone;
}

void CountRequest(const state::LogEntry& entry, LatelyByRegion& lately) {
  if (const auto* map = std::get_if<state::MapSettled>(&entry.body); map != nullptr && Succeeded(*map))
    ++lately[KeyOf(entry.backend, map->request.shmid)].maps;
  if (const auto* unmap = std::get_if<state::UnmapSettled>(&entry.body);
      unmap != nullptr && Succeeded(*unmap))
    ++lately[KeyOf(entry.backend, unmap->request.shmid)].unmaps;
}

// Not what comes with every request that goes well.
bool IsWorthALine(const state::LogEntry& entry) {
  if (entry.kind != state::LogKind::kEvent) return true;
  if (const auto* map = std::get_if<state::MapSettled>(&entry.body)) return !Succeeded(*map);
  if (const auto* unmap = std::get_if<state::UnmapSettled>(&entry.body)) return !Succeeded(*unmap);
  return !(std::holds_alternative<state::MapRequested>(entry.body) ||
           std::holds_alternative<state::UnmapRequested>(entry.body) ||
           std::holds_alternative<state::MappingEchoed>(entry.body) ||
           std::holds_alternative<state::RegionReported>(entry.body) ||
           std::holds_alternative<state::RegionRetired>(entry.body) ||
           std::holds_alternative<state::FeaturesSeen>(entry.body) ||
           std::holds_alternative<state::QueryDone>(entry.body));
}

// What the lists are made by: a line for each back-end, however many there are.
struct Candidate {
  std::string id;
  Weight weight = Weight::kNone;
};

uint64_t SumOrLargest(uint64_t a, uint64_t b) { return a > ~b ? ~uint64_t{0} : a + b; }

void AddTotals(const state::BackendTotals& more, state::BackendTotals& totals) {
  totals.region_count += more.region_count;
  totals.size_bytes = SumOrLargest(totals.size_bytes, more.size_bytes);
  totals.mapping_count += more.mapping_count;
  totals.mapped_bytes = SumOrLargest(totals.mapped_bytes, more.mapped_bytes);
  totals.stale_bytes = SumOrLargest(totals.stale_bytes, more.stale_bytes);
  totals.at_risk_bytes = SumOrLargest(totals.at_risk_bytes, more.at_risk_bytes);
  totals.open_finding_count += more.open_finding_count;
}

void RedactAll(std::vector<state::Finding>& findings) {
  for (state::Finding& finding : findings) Redact(finding);
}

class Collector {
 public:
  Collector(const feed::Hub& hub, bool with_paths, const OverviewBounds& bounds)
      : hub_(hub),
        with_paths_(with_paths),
        bounds_(bounds),
        regions_left_(bounds.max_regions),
        roomy_left_(bounds.max_roomy_regions) {}

  Overview Collect() {
    out_.wall_time_ns = base::WallNanos();
    std::vector<Candidate> candidates = ReadServer();
    for (Candidate& candidate : candidates) Weigh(candidate);
    std::stable_sort(candidates.begin(), candidates.end(),
                     [](const Candidate& a, const Candidate& b) { return a.weight > b.weight; });
    candidates.resize(std::min(candidates.size(), bounds_.max_backends));
    for (const Candidate& candidate : candidates) AddBackend(candidate.id);
    return std::move(out_);
  }

 private:
  std::vector<Candidate> ReadServer() {
    std::vector<Candidate> candidates;
    hub_.Read([&](const feed::ReplicaView& view) {
      out_.revision = view.revision;
      out_.synced = view.synced;
      out_.backend_count = view.backends.size();
      candidates.reserve(view.backends.size());
      for (const auto& [id, backend] : view.backends) candidates.push_back({id});
      const state::EventLog& log = view.events;
      const size_t oldest = log.size() - std::min(log.size(), kMaxEventsRead);
      for (size_t i = log.size(); i > oldest; --i) {
        const state::LogEntry& entry = log.at(i - 1);
        CountRequest(entry, lately_);
        if (out_.events.size() < bounds_.max_events && IsWorthALine(entry)) out_.events.push_back(entry);
      }
    });
    if (!with_paths_) {
      for (state::LogEntry& entry : out_.events) Redact(entry);
    }
    return candidates;
  }

  void Weigh(Candidate& candidate) {
    hub_.Read([&](const feed::ReplicaView& view) {
      const state::Backend* backend = view.Find(candidate.id);
      if (backend == nullptr) return;
      candidate.weight = Worst(*backend);
      if (IsDown(backend->status().state)) ++out_.down_count;
      if (!IsFollowed(backend->spec().mode, backend->status())) ++out_.unfollowed_count;
      AddTotals(backend->Totals(), out_.totals);
    });
  }

  Lately LatelyOf(const state::Backend& backend, uint8_t shmid) const {
    const auto found = lately_.find(KeyOf(backend.handle(), shmid));
    return found == lately_.end() ? Lately{} : found->second;
  }

  // What is only worth knowing changes no order.
  Weight Worst(const state::Backend& backend) const {
    Weight weight = WeightOf(backend.status());
    for (const auto& [key, finding] : backend.findings()) {
      if (finding.open) weight = std::max(weight, WeightOf(state::FindingSeverity(finding.code)));
    }
    for (const auto& [shmid, region] : backend.regions()) {
      if (region.listed()) weight = std::max(weight, WeightOf(backend, region, LatelyOf(backend, shmid)));
    }
    return weight == Weight::kNotice ? Weight::kNone : weight;
  }

  void AddBackend(const std::string& id) {
    hub_.Read([&](const feed::ReplicaView& view) {
      const state::Backend* backend = view.Find(id);
      if (backend == nullptr) return;
      BackendView& item = out_.backends.emplace_back();
      item.record = convert::CopyBackend(*backend, bounds_.findings_of_backend);
      std::erase_if(item.record.findings,
                    [](const state::Finding& finding) { return finding.shmid != state::kWholeBackend; });
      if (!with_paths_) RedactAll(item.record.findings);
      item.region_count = item.record.totals.region_count;
      item.dense = item.region_count > bounds_.roomy_regions_each || item.region_count > roomy_left_;
      if (!item.dense) roomy_left_ -= item.region_count;
      AddRegions(*backend, item);
    });
  }

  // When not all fit, those with something at risk or a finding come first.
  void AddRegions(const state::Backend& backend, BackendView& item) {
    std::vector<std::pair<Weight, const state::Region*>> regions;
    for (const auto& [shmid, region] : backend.regions()) {
      if (region.listed()) regions.emplace_back(WeightOf(backend, region, LatelyOf(backend, shmid)), &region);
    }
    if (regions.size() > regions_left_) {
      std::stable_sort(regions.begin(), regions.end(),
                       [](const auto& a, const auto& b) { return a.first > b.first; });
      regions.resize(regions_left_);
      std::sort(regions.begin(), regions.end(),
                [](const auto& a, const auto& b) { return a.second->status.shmid < b.second->status.shmid; });
    }
    regions_left_ -= regions.size();
    for (const auto& [weight, region] : regions) item.regions.push_back(View(backend, *region, item.dense));
  }

  RegionView View(const state::Backend& backend, const state::Region& region, bool dense) const {
    RegionView view;
    view.record = convert::CopyRegion(backend, region, bounds_.findings_of_region);
    if (!with_paths_) RedactAll(view.record.findings);
    view.followed = IsFollowed(backend.spec().mode, backend.status());
    view.lately = LatelyOf(backend, region.status.shmid);
    const uint64_t page = backend.page_size();
    const MapDetail detail = dense ? MapDetail{0, bounds_.columns_of_dense_map, page}
                                   : MapDetail{bounds_.mappings_in_a_map, bounds_.columns_of_roomy_map, page};
    view.map = MakeRegionMap(region.table, detail);
    return view;
  }

  const feed::Hub& hub_;
  const bool with_paths_;
  const OverviewBounds& bounds_;
  size_t regions_left_;
  size_t roomy_left_;
  LatelyByRegion lately_;
  Overview out_;
};

}  // namespace

Overview CollectOverview(const feed::Hub& hub, const feed::ServerFindings* server_findings, bool with_paths,
                         const OverviewBounds& bounds) {
  Overview overview = Collector(hub, with_paths, bounds).Collect();
  if (server_findings != nullptr) overview.server_findings = server_findings->List(false);
  return overview;
}

std::optional<RegionDetail> CollectRegion(const feed::Hub& hub, std::string_view backend_id, uint8_t shmid,
                                          bool with_paths, const DetailBounds& bounds) {
  std::optional<RegionDetail> out;
  hub.Read([&](const feed::ReplicaView& view) {
    const state::Backend* backend = view.Find(backend_id);
    const state::Region* region = backend == nullptr ? nullptr : backend->FindRegion(shmid);
    if (region == nullptr || !region->listed()) return;
    out.emplace();
    out->wall_time_ns = base::WallNanos();
    out->synced = view.synced;
    out->backend = convert::CopyBackend(*backend, 0);
    out->region.record = convert::CopyRegion(*backend, *region, bounds.max_findings);
    if (!with_paths) RedactAll(out->region.record.findings);
    out->region.followed = IsFollowed(backend->spec().mode, backend->status());
    out->region.map =
        MakeRegionMap(region->table, {bounds.mappings_in_a_map, bounds.columns, backend->page_size()});
    out->mappings = ChooseMappings(region->table, bounds.max_mappings);
    LatelyByRegion lately;
    const state::EventLog& log = view.events;
    const size_t oldest = log.size() - std::min(log.size(), kMaxEventsRead);
    for (size_t i = log.size(); i > oldest; --i) CountRequest(log.at(i - 1), lately);
    out->region.lately = lately[KeyOf(backend->handle(), shmid)];
  });
  return out;
}

}  // namespace shmemd::web
