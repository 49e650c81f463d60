#include "server/web/attention.h"

#include <absl/strings/str_cat.h>

#include <algorithm>
#include <utility>

#include "server/convert/backend.h"
#include "server/web/overview.h"
#include "server/web/text.h"

namespace shmemd::web {
namespace {

// As the alerts and shmemctl doctor have it.
constexpr double kNearlyFull = 0.9;
// So many maps without an unmap, or so many among the last events with four times as few unmaps.
constexpr uint64_t kFewMaps = 16;

// Never more than the size, though STALE mappings may lie beyond it.
uint64_t RoomBytes(uint64_t size_bytes, uint64_t free_bytes, uint64_t stale_bytes) {
  return free_bytes + std::min(stale_bytes, size_bytes - std::min(free_bytes, size_bytes));
}

Fullness FullnessOf(uint64_t size_bytes, uint64_t room_bytes) {
  if (size_bytes == 0) return Fullness::kRoom;
  if (room_bytes == 0) return Fullness::kFull;
  const double used = static_cast<double>(size_bytes - room_bytes) / static_cast<double>(size_bytes);
  return used > kNearlyFull ? Fullness::kNearlyFull : Fullness::kRoom;
}

Weight WeightOfRoom(Fullness fullness) {
  switch (fullness) {
    case Fullness::kRoom:
      return Weight::kNone;
    case Fullness::kNearlyFull:
      return Weight::kWarning;
    case Fullness::kFull:
      return Weight::kError;
  }
  return Weight::kNone;
}

// Findings whose bytes are shown as such.
bool IsAboutRisk(state::FindingCode code) {
  return code == state::FindingCode::kBeyondEof || code == state::FindingCode::kEmptyBacking ||
         code == state::FindingCode::kStaleAfterReset;
}

std::string StateWords(const convert::BackendRecord& record) {
  const std::string words = convert::CauseWords(record.status.cause);
  return absl::StrCat("is ", state::BackendStateName(record.status.state), words.empty() ? "" : ": ", words);
}

class Concerns {
 public:
  void AddServer(const std::vector<state::ServerFinding>& findings) {
    for (const state::ServerFinding& finding : findings) {
      AddFinding("", std::nullopt, finding.code, "");
    }
  }

  void AddBackend(const BackendView& backend) {
    const std::string& id = backend.record.spec.id;
    if (const Weight weight = WeightOf(backend.record.status); weight != Weight::kNone) {
      const std::string unobserved = state::UnobservedText(backend.record.status.observation);
      const bool seen = unobserved.empty() || IsDown(backend.record.status.state);
      Add(weight, id, std::nullopt,
          seen ? StateWords(backend.record) : absl::StrCat("is not followed: ", unobserved));
    }
    for (const state::Finding& finding : backend.record.findings)
      AddFinding(id, std::nullopt, finding.code, state::FindingSummary(finding));
    for (const RegionView& region : backend.regions) AddRegion(id, region);
  }

  std::vector<Concern> Sorted() {
    std::stable_sort(list_.begin(), list_.end(), [](const Concern& a, const Concern& b) {
      return a.weight != b.weight ? a.weight > b.weight : a.code.empty() && !b.code.empty();
    });
    return std::move(list_);
  }

 private:
  void Add(Weight weight, const std::string& id, std::optional<uint8_t> shmid, std::string what) {
    if (weight != Weight::kNone) list_.push_back({weight, "", std::move(what), {{id, shmid}}});
  }

  void AddFinding(const std::string& id, std::optional<uint8_t> shmid, state::FindingCode code,
                  std::string what) {
    if (state::FindingSeverity(code) == state::Severity::kInfo) return;
    std::string name(state::FindingCodeName(code));
    const auto same = std::find_if(list_.begin(), list_.end(),
                                   [&name](const Concern& concern) { return concern.code == name; });
    if (same == list_.end()) {
      list_.push_back(
          {WeightOf(state::FindingSeverity(code)), std::move(name), std::move(what), {{id, shmid}}});
    } else {
      if (same->places.size() == 1) same->what = absl::StrCat("for example: ", same->what);
      same->places.push_back({id, shmid});
    }
  }

  void AddRegion(const std::string& id, const RegionView& region) {
    const state::RegionTotals& totals = region.record.totals;
    const uint8_t shmid = region.record.status.shmid;
    if (totals.at_risk_bytes > 0) {
      Add(Weight::kError, id, shmid,
          absl::StrCat(Bytes(totals.at_risk_bytes), " are unsafe to touch: ",
                       totals.stale_bytes == totals.at_risk_bytes ? "their owner may be gone (STALE)"
                       : totals.stale_bytes > 0                   ? "beyond the end of a file, or STALE"
                                                : "beyond the end of a file, where an access is SIGBUS"));
    }
    AddRoom(id, shmid, region);
    for (const state::Finding& finding : region.record.findings) {
      if (totals.at_risk_bytes == 0 || !IsAboutRisk(finding.code))
        AddFinding(id, shmid, finding.code, state::FindingSummary(finding));
    }
  }

  void AddRoom(const std::string& id, uint8_t shmid, const RegionView& region) {
    const convert::RegionRecord& record = region.record;
    const Fullness fullness = FullnessOf(region);
    if (fullness == Fullness::kFull) {
      Add(Weight::kError, id, shmid, "is full: the next SHMEM_MAP will fail");
    } else if (fullness == Fullness::kNearlyFull) {
      const uint64_t size = record.status.size_bytes;
      const uint64_t stale = record.totals.stale_bytes;
      const uint64_t used = size - RoomBytes(size, record.free_bytes, stale);
      Add(Weight::kWarning, id, shmid,
          absl::StrCat("is ", Percent(used, size), " % full: ", Bytes(record.free_bytes), " are free, ",
                       Bytes(record.largest_hole_bytes), " in one piece",
                       stale == 0 ? "" : absl::StrCat(", and ", Bytes(stale), " STALE")));
    }
    if (!OnlyGrows(region)) return;
    const state::RequestCounters& counters = record.status.counters;
    Add(Weight::kWarning, id, shmid,
        absl::StrCat("only grows, a leak perhaps: ", Counted(counters.map_requests, "map"), " and ",
                     counters.unmap_requests == 0 ? "no unmap" : Counted(counters.unmap_requests, "unmap"),
                     " so far, ", Bytes(record.totals.mapped_bytes), " mapped"));
  }

  std::vector<Concern> list_;
};

}  // namespace

bool IsDown(state::BackendState state) {
  return state == state::BackendState::kDisconnected || state == state::BackendState::kFailed;
}

bool IsFollowed(state::Mode mode, const state::BackendStatus& status) {
  return convert::WhyUnobserved(mode, status).empty();
}

Weight WeightOf(state::Severity severity) {
  switch (severity) {
    case state::Severity::kInfo:
      return Weight::kNotice;
    case state::Severity::kWarning:
      return Weight::kWarning;
    case state::Severity::kError:
      return Weight::kError;
  }
  return Weight::kNone;
}

Weight WeightOf(const state::BackendStatus& status) {
  if (IsDown(status.state)) return Weight::kError;
  const bool unseen = status.state == state::BackendState::kUnsupported ||
                      status.observation.reason != state::UnobservedReason::kNone;
  const bool missing =
      status.state == state::BackendState::kConnecting && status.cause.reason != state::StateReason::kNone;
  return unseen || missing ? Weight::kWarning : Weight::kNone;
}

Weight WeightOf(const state::Backend& backend, const state::Region& region, const Lately& lately) {
  const state::RegionTable& table = region.table;
  if (table.totals().at_risk_bytes > 0) return Weight::kError;
  Weight weight = Weight::kNone;
  if (table.size_bytes() && IsFollowed(backend.spec().mode, backend.status())) {
    const uint64_t size = *table.size_bytes();
    weight = WeightOfRoom(FullnessOf(size, RoomBytes(size, table.free_bytes(), table.totals().stale_bytes)));
  }
  if (OnlyGrows(region.status.counters, table.totals().mapping_count, lately))
    weight = std::max(weight, Weight::kWarning);
  const int16_t shmid = region.status.shmid;
  const auto& findings = backend.findings();
  for (auto it = findings.lower_bound({shmid, state::FindingCode{}});
       it != findings.end() && it->first.first == shmid; ++it) {
    if (it->second.open) weight = std::max(weight, WeightOf(state::FindingSeverity(it->second.code)));
  }
  return weight;
}

Fullness FullnessOf(const RegionView& region) {
  const convert::RegionRecord& record = region.record;
  if (!record.size_known || !region.followed) return Fullness::kRoom;
  const uint64_t size = record.status.size_bytes;
  return FullnessOf(size, RoomBytes(size, record.free_bytes, record.totals.stale_bytes));
}

bool OnlyGrows(const state::RequestCounters& counters, uint64_t mapping_count, const Lately& lately) {
  if (mapping_count < kFewMaps) return false;
  if (counters.unmap_requests == 0) return counters.map_requests >= kFewMaps;
  return lately.maps >= kFewMaps && lately.unmaps <= lately.maps / 4;
}

bool OnlyGrows(const RegionView& region) {
  return OnlyGrows(region.record.status.counters, region.record.totals.mapping_count, region.lately);
}

std::vector<Concern> ConcernsOf(const Overview& overview) {
  Concerns concerns;
  concerns.AddServer(overview.server_findings);
  for (const BackendView& backend : overview.backends) concerns.AddBackend(backend);
  return concerns.Sorted();
}

}  // namespace shmemd::web
