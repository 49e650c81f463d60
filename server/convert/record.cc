#include "server/convert/record.h"

namespace shmemd::convert {
namespace {

constexpr state::FindingCode kFirstCode{};

// Open findings from `from` on, as long as their shmid is at most `last_shmid`.
std::vector<state::Finding> OpenFindings(const state::Backend& backend, state::Backend::FindingKey from,
                                         int16_t last_shmid, size_t max) {
  std::vector<state::Finding> out;
  const auto& findings = backend.findings();
  for (auto it = findings.lower_bound(from); it != findings.end() && it->first.first <= last_shmid; ++it) {
    if (out.size() >= max) break;
    if (it->second.open) out.push_back(it->second);
  }
  return out;
}

}  // namespace

BackendRecord CopyBackend(const state::Backend& backend, size_t max_findings) {
  constexpr int16_t kLastShmid = 255;
  return {backend.spec(), backend.uid(), backend.status(), backend.Totals(),
          OpenFindings(backend, {state::kWholeBackend, kFirstCode}, kLastShmid, max_findings)};
}

RegionRecord CopyRegion(const state::Backend& backend, const state::Region& region, size_t max_findings) {
  RegionRecord out;
  out.backend_id = backend.spec().id;
  out.status = region.status;
  out.totals = region.table.totals();
  out.size_known = region.table.size_bytes().has_value();
  out.free_bytes = region.table.free_bytes();
  out.largest_hole_bytes = region.table.largest_hole_bytes();
  out.hole_count = region.table.hole_count();
  out.page_size = backend.page_size();
  const int16_t shmid = region.status.shmid;
  out.findings = OpenFindings(backend, {shmid, kFirstCode}, shmid, max_findings);
  return out;
}

}  // namespace shmemd::convert
