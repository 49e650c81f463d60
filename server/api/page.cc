#include "server/api/page.h"

#include <functional>
#include <limits>

namespace shmemd::api {
namespace {

using Visit = std::function<bool(const state::Backend&)>;

// Back-ends of the scope in order, from the one that the page goes on in, until `visit` returns false.
void ForEachBackend(const feed::ReplicaView& view, const Scope& scope, const PageRange& range,
                    const Visit& visit) {
  if (scope.backend_id) {
    const state::Backend* backend = view.Find(*scope.backend_id);
    if (backend != nullptr) visit(*backend);
    return;
  }
  auto it = range.after ? view.backends.lower_bound(range.after->backend_id) : view.backends.begin();
  for (; it != view.backends.end(); ++it) {
    if (!visit(*it->second)) return;
  }
}

// Whether the page goes on inside this back-end, behind its key's shmid.
bool ContinuesIn(const PageRange& range, const state::Backend& backend) {
  return range.after && range.after->backend_id == backend.spec().id;
}

bool InScope(const Scope& scope, uint8_t shmid) { return !scope.shmid || *scope.shmid == shmid; }

// False when the page is full.
bool CopyMappingsOf(const std::string& backend_id, const state::RegionTable& table, uint64_t from,
                    size_t limit, std::vector<convert::MappingRecord>& out) {
  table.ForEach(from, [&](const state::Mapping& mapping) {
    if (out.size() == limit) return false;
    out.push_back({backend_id, mapping});
    return true;
  });
  return out.size() < limit;
}

}  // namespace

std::vector<convert::BackendRecord> CopyBackends(const feed::ReplicaView& view, const PageRange& range,
                                                 size_t max_findings) {
  std::vector<convert::BackendRecord> out;
  ForEachBackend(view, {}, range, [&](const state::Backend& backend) {
    if (out.size() == range.limit) return false;
    if (!ContinuesIn(range, backend)) out.push_back(convert::CopyBackend(backend, max_findings));
    return true;
  });
  return out;
}

std::vector<convert::RegionRecord> CopyRegions(const feed::ReplicaView& view, const Scope& scope,
                                               const PageRange& range, size_t max_findings) {
  std::vector<convert::RegionRecord> out;
  ForEachBackend(view, scope, range, [&](const state::Backend& backend) {
    const int after_shmid = ContinuesIn(range, backend) ? range.after->shmid : -1;
    for (const auto& [shmid, region] : backend.regions()) {
      if (shmid <= after_shmid || !region.listed()) continue;
      if (out.size() == range.limit) return false;
      out.push_back(convert::CopyRegion(backend, region, max_findings));
    }
    return out.size() < range.limit;
  });
  return out;
}

std::vector<convert::MappingRecord> CopyMappings(const feed::ReplicaView& view, const Scope& scope,
                                                 const PageRange& range) {
  std::vector<convert::MappingRecord> out;
  ForEachBackend(view, scope, range, [&](const state::Backend& backend) {
    const bool continues = ContinuesIn(range, backend);
    for (const auto& [shmid, region] : backend.regions()) {
      if (!InScope(scope, shmid) || (continues && shmid < range.after->shmid)) continue;
      uint64_t from = 0;
      if (continues && shmid == range.after->shmid) {
        if (range.after->rank == std::numeric_limits<uint64_t>::max()) continue;
        from = range.after->rank + 1;
      }
      if (!CopyMappingsOf(backend.spec().id, region.table, from, range.limit, out)) return false;
    }
    return true;
  });
  return out;
}

std::vector<convert::FindingRecord> CopyFindings(const feed::ReplicaView& view, const Scope& scope,
                                                 const PageRange& range, bool include_closed) {
  std::vector<convert::FindingRecord> out;
  ForEachBackend(view, scope, range, [&](const state::Backend& backend) {
    const auto& findings = backend.findings();
    auto it = findings.begin();
    if (ContinuesIn(range, backend)) {
      it = findings.upper_bound({range.after->shmid, static_cast<state::FindingCode>(range.after->rank)});
    }
    for (; it != findings.end(); ++it) {
      if (!include_closed && !it->second.open) continue;
      if (out.size() == range.limit) return false;
      out.push_back({backend.spec().id, it->second});
    }
    return out.size() < range.limit;
  });
  return out;
}

PageKey KeyOf(const convert::BackendRecord& record) { return {record.spec.id, 0, 0}; }

PageKey KeyOf(const convert::RegionRecord& record) { return {record.backend_id, record.status.shmid, 0}; }

PageKey KeyOf(const convert::MappingRecord& record) {
  return {record.backend_id, record.mapping.shmid, record.mapping.shm_offset};
}

PageKey KeyOf(const convert::FindingRecord& record) {
  return {record.backend_id, record.finding.shmid, static_cast<uint64_t>(record.finding.code)};
}

}  // namespace shmemd::api
