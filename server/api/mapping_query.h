// A list of mappings by filter and order, one page at a time.
//
// Any thread. Whatever has to be looked through, the replica is locked for a slice at a time only; memory is
// bounded by the page.
#pragma once

#include <absl/status/statusor.h>
#include <grpcpp/support/status.h>

#include <cstdint>
#include <string_view>
#include <vector>

#include "server/api/mapping_filter.h"
#include "server/api/page.h"
#include "server/api/replica_reader.h"

namespace shmemd::api {

// Ties go by back-end id, shmid and offset.
enum class MappingOrder : uint8_t {
  kOffset,  // back-end id, shmid, offset
  kShortestFirst,
  kLongestFirst,
  kOldestFirst,  // by the time of the request
  kNewestFirst,
};

// "", "shm_offset_bytes", "length_bytes", "length_bytes desc", "request_time", "request_time desc".
absl::StatusOr<MappingOrder> ParseMappingOrder(std::string_view text);

struct MappingQuery {
  Scope scope;
  MappingFilter filter;
  MappingOrder order = MappingOrder::kOffset;
};

// At most range.limit records, those that come after range.after in the order. A mapping that is there the
// whole time, and whose length stays, is in exactly one page.
std::vector<convert::MappingRecord> SelectMappings(const ReplicaReader& reader, const MappingQuery& query,
                                                   const PageRange& range);

// Where a record stands in the order.
PageKey KeyOf(const convert::MappingRecord& record, MappingOrder order);

}  // namespace shmemd::api
