// SHMEM_MAP and SHMEM_UNMAP: the rules for them, and what they do to a back-end.
#include <algorithm>
#include <limits>
#include <optional>

#include "server/state/backend.h"
#include "server/state/request_findings.h"

namespace shmemd::state {
namespace {

Mapping MappingOf(const MapSettled& body, const Event& event, uint32_t epoch, uint64_t page_size) {
  Mapping mapping;
  mapping.shm_offset = body.request.shm_offset;
  mapping.len = body.request.len;
  mapping.fd_offset = body.request.fd_offset;
  mapping.flags = body.request.flags;
  mapping.fd = body.request.fd;
  const bool acknowledged = body.ack_latency_ns >= 0;
  mapping.ack_latency_ns = acknowledged ? body.ack_latency_ns : -1;
  mapping.request_time_ns = event.wall_time_ns - (acknowledged ? body.ack_latency_ns : 0);
  mapping.sequence = event.sequence;
  mapping.epoch = epoch;
  mapping.shmid = body.request.shmid;
  mapping.state = acknowledged ? MappingState::kMapped : MappingState::kAssumed;
  mapping.oddities = OdditiesOf(mapping, page_size);
  return mapping;
}

// Counted once however it was said: an errno alone is the VMM's refusal.
RequestFailure FailureOf(RequestFailure failure, int32_t error_number) {
  if (failure == RequestFailure::kNone && error_number != 0) return RequestFailure::kRefused;
  return static_cast<int>(failure) < kRequestFailureCount ? failure : RequestFailure::kMalformed;
}

void AddSaturating(uint64_t& total, uint64_t amount) {
  if (__builtin_add_overflow(total, amount, &total)) total = std::numeric_limits<uint64_t>::max();
}

}  // namespace

RequestFailure Backend::CheckMap(const MapRequest& request) const {
  const Region* region = FindRegion(request.shmid);
  if (region == nullptr || !region->status.reported) return RequestFailure::kUnknownShmid;
  return region->table.CheckMap(request, page_size_);
}

RequestFailure Backend::CheckUnmap(const UnmapRequest& request) const {
  // What was mapped can be unmapped, whether or not its region is still reported.
  const Region* region = FindRegion(request.shmid);
  if (region == nullptr || !region->listed()) return RequestFailure::kUnknownShmid;
  return region->table.CheckUnmap(request);
}

void Backend::Take(const MapRequested& body, const Event& event) {
  Region& region = Named(body.request.shmid, event.wall_time_ns);
  ++region.status.counters.map_requests;
  ++status_.pending_requests;
  if (body.request.padding_nonzero) {
    Raise(FindingCode::kPaddingNonzero, body.request.shmid,
          MapEvidence(FindingCode::kPaddingNonzero, body.request, {}), event.wall_time_ns);
  }
}

void Backend::Take(const MapSettled& body, const Event& event) {
  SettlePending(body.ack_latency_ns);
  Region& region = Named(body.request.shmid, event.wall_time_ns);
  const RequestFailure failure = FailureOf(body.failure, body.error_number);
  if (failure == RequestFailure::kNone) {
    Map(region, body, event);
    return;
  }
  ++region.status.counters.map_failures[static_cast<size_t>(failure)];
  const std::optional<FindingCode> code = MapFailureFinding(failure);
  if (!code) return;
  const RequestContext context{page_size_, region.table.size_bytes(),
                               region.table.FindOverlap(body.request.shm_offset, body.request.len),
                               failure == RequestFailure::kNoResources ? body.error_number : 0};
  Raise(*code, body.request.shmid, MapEvidence(*code, body.request, context), event.wall_time_ns);
}

void Backend::Map(Region& region, const MapSettled& body, const Event& event) {
  const uint16_t before = region.table.oddities();
  const std::optional<Mapping> other = region.table.FindOverlap(body.request.shm_offset, body.request.len);
  const Mapping mapping = MappingOf(body, event, status_.epoch, page_size_);
  const RegionTable::Outcome outcome = region.table.Insert(mapping);
  AddSaturating(region.status.counters.map_bytes_total, body.request.len);
  region.status.peak_mapped_bytes =
      std::max(region.status.peak_mapped_bytes, region.table.totals().mapped_bytes);
  CloseOddities(region, before);
  Close(FindingCode::kDeviceNotStarted, kWholeBackend);
  RaiseForMap(region, body, outcome, other, event);
}

// What is odd about a map that was done all the same.
void Backend::RaiseForMap(const Region& region, const MapSettled& body, RegionTable::Outcome outcome,
                          const std::optional<Mapping>& other, const Event& event) {
  const MapRequest& request = body.request;
  const std::optional<uint64_t> size = region.table.size_bytes();
  const RequestContext context{page_size_, size, other, 0};
  const auto raise = [&](FindingCode code, int16_t shmid) {
    Raise(code, shmid, MapEvidence(code, request, context), event.wall_time_ns);
  };
  const uint64_t limit = size.value_or(std::numeric_limits<uint64_t>::max());
  if (request.len == 0) raise(FindingCode::kMapLenZero, request.shmid);
  if (request.shm_offset > limit || request.len > limit - request.shm_offset) {
    raise(FindingCode::kMapOutOfRange, request.shmid);
  }
  if (!size && status_.config.source != ConfigSource::kNotSeen)
    raise(FindingCode::kMapUnknownShmid, request.shmid);
  if (request.fd_count == 0) raise(FindingCode::kMapNoFd, request.shmid);
  if (request.fd_count > 1) raise(FindingCode::kMapExtraFds, request.shmid);
  if (outcome == RegionTable::Outcome::kReplaced) raise(FindingCode::kMapOverlap, request.shmid);
  if (outcome == RegionTable::Outcome::kNothing) return;

  const unsigned odd = MappingOf(body, event, status_.epoch, page_size_).oddities;
  for (int bit = 0; bit < kMappingOddityCount; ++bit) {
    if ((odd & (1U << bit)) == 0) continue;
    const FindingCode code = OddityFinding(bit);
    raise(code,
          code == FindingCode::kShrinkableBacking ? kWholeBackend : static_cast<int16_t>(request.shmid));
  }
}

void Backend::Take(const UnmapRequested& body, const Event& event) {
  Region& region = Named(body.request.shmid, event.wall_time_ns);
  ++region.status.counters.unmap_requests;
  ++status_.pending_requests;
  region.table.SetUnmapPending(body.request.shm_offset, true);
  if (body.request.fd_count > 0) {
    Raise(FindingCode::kUnmapWithFd, body.request.shmid,
          {{{EvidenceKey::kShmOffset, body.request.shm_offset},
            {EvidenceKey::kLen, body.request.len},
            {EvidenceKey::kFdCount, body.request.fd_count}}},
          event.wall_time_ns);
  }
}

void Backend::Take(const UnmapSettled& body, const Event& event) {
  SettlePending(-1);
  Region& region = Named(body.request.shmid, event.wall_time_ns);
  RequestContext context;
  context.other = region.table.FindOverlap(body.request.shm_offset, std::max<uint64_t>(body.request.len, 1));
  const RequestFailure failure = FailureOf(body.failure, body.error_number);
  std::optional<FindingCode> code;
  if (failure == RequestFailure::kNone) {
    const uint16_t before = region.table.oddities();
    const RegionTable::Outcome outcome = region.table.Erase(body.request.shm_offset, body.request.len);
    CloseOddities(region, before);
    if (outcome == RegionTable::Outcome::kPartial) code = FindingCode::kUnmapPartial;
    if (outcome == RegionTable::Outcome::kNothing) code = FindingCode::kUnmapNotMapped;
  } else {
    ++region.status.counters.unmap_failures[static_cast<size_t>(failure)];
    region.table.SetUnmapPending(body.request.shm_offset, false);
    code = UnmapFailureFinding(failure);
  }
  if (!code) return;
  Raise(*code, body.request.shmid, UnmapEvidence(body.request, context), event.wall_time_ns);
}

// Requests of a connection that ended never settle; those that still come must not count below zero.
void Backend::SettlePending(int64_t ack_latency_ns) {
  if (status_.pending_requests > 0) --status_.pending_requests;
  if (ack_latency_ns >= 0) status_.map_durations.Observe(ack_latency_ns);
}

}  // namespace shmemd::state
