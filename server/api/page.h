// The items of one page of each list, copied from the replica in the list's order, from a key on.
//
// Called with the replica locked: costs O(log n) to find the place and one small copy an item.
#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "server/api/page_token.h"
#include "server/api/resource_name.h"
#include "server/convert/record.h"
#include "server/feed/replica.h"

namespace shmemd::api {

// Which part of a list. `limit` items at most, those that come after `after`; nullopt: from the start.
struct PageRange {
  std::optional<PageKey> after;
  size_t limit = 0;
};

// Findings that a back-end or region brings along at most; ListFindings has all.
inline constexpr size_t kMaxFindingsOfItem = 256;

std::vector<convert::BackendRecord> CopyBackends(const feed::ReplicaView& view, const PageRange& range,
                                                 size_t max_findings);
std::vector<convert::RegionRecord> CopyRegions(const feed::ReplicaView& view, const Scope& scope,
                                               const PageRange& range, size_t max_findings);
std::vector<convert::MappingRecord> CopyMappings(const feed::ReplicaView& view, const Scope& scope,
                                                 const PageRange& range);
std::vector<convert::FindingRecord> CopyFindings(const feed::ReplicaView& view, const Scope& scope,
                                                 const PageRange& range, bool include_closed);

PageKey KeyOf(const convert::BackendRecord& record);
PageKey KeyOf(const convert::RegionRecord& record);
PageKey KeyOf(const convert::MappingRecord& record);
PageKey KeyOf(const convert::FindingRecord& record);

}  // namespace shmemd::api
