// Which finding follows from a request or a mapping, and the numbers that belong to it.
#pragma once

#include <cstdint>
#include <optional>

#include "server/state/findings.h"
#include "server/state/mapping.h"

namespace shmemd::state {

// nullopt: a failure that is no finding (a VMM's refusal is counted only).
std::optional<FindingCode> MapFailureFinding(RequestFailure failure);
std::optional<FindingCode> UnmapFailureFinding(RequestFailure failure);
// The code of one MappingOddity, by its bit number.
FindingCode OddityFinding(int bit);

// What the numbers of a finding are taken from, beside the request.
struct RequestContext {
  uint64_t page_size = 0;                     // bytes
  std::optional<uint64_t> region_size_bytes;  // nullopt: not reported
  std::optional<Mapping> other;               // the mapping that is in the way
  int32_t error_number = 0;
};
EvidenceList MapEvidence(FindingCode code, const MapRequest& request, const RequestContext& context);
EvidenceList UnmapEvidence(const UnmapRequest& request, const RequestContext& context);

}  // namespace shmemd::state
