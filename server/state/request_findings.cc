#include "server/state/request_findings.h"

#include <array>
#include <cstddef>

namespace shmemd::state {
namespace {

class EvidenceWriter {
 public:
  EvidenceWriter& Add(EvidenceKey key, uint64_t value) {
    if (count_ < list_.size()) list_[count_++] = {key, value};
    return *this;
  }
  EvidenceWriter& AddOther(const std::optional<Mapping>& other) {
    if (!other) return *this;
    return Add(EvidenceKey::kOtherOffset, other->shm_offset).Add(EvidenceKey::kOtherLen, other->len);
  }
  EvidenceList list() const { return list_; }

 private:
  EvidenceList list_{};
  size_t count_ = 0;
};

void AddFile(const MapRequest& request, EvidenceWriter& evidence) {
  evidence.Add(EvidenceKey::kFdOffset, request.fd_offset);
  if (request.fd.size_bytes >= 0) {
    evidence.Add(EvidenceKey::kFileSizeBytes, static_cast<uint64_t>(request.fd.size_bytes));
  }
  evidence.Add(EvidenceKey::kBeyondEofBytes, BeyondEofBytes(request.fd, request.fd_offset, request.len));
}

}  // namespace

std::optional<FindingCode> MapFailureFinding(RequestFailure failure) {
  switch (failure) {
    case RequestFailure::kUnknownShmid:
      return FindingCode::kMapUnknownShmid;
    case RequestFailure::kLenZero:
      return FindingCode::kMapLenZero;
    case RequestFailure::kOutOfRange:
      return FindingCode::kMapOutOfRange;
    case RequestFailure::kUnaligned:
      return FindingCode::kMapUnaligned;
    case RequestFailure::kFdOffsetUnaligned:
      return FindingCode::kFdOffsetUnaligned;
    case RequestFailure::kOverlap:
      return FindingCode::kMapOverlap;
    case RequestFailure::kNoFd:
      return FindingCode::kMapNoFd;
    case RequestFailure::kExtraFds:
      return FindingCode::kMapExtraFds;
    case RequestFailure::kMappingLimit:
      return FindingCode::kMappingLimit;
    case RequestFailure::kWindowTooLarge:
    case RequestFailure::kNoResources:
      return FindingCode::kMapNoResources;
    case RequestFailure::kMalformed:
      return FindingCode::kMapMalformed;
    case RequestFailure::kNone:
    case RequestFailure::kPartial:
    case RequestFailure::kNotMapped:
    case RequestFailure::kRefused:
      break;
  }
  return std::nullopt;
}

std::optional<FindingCode> UnmapFailureFinding(RequestFailure failure) {
  switch (failure) {
    case RequestFailure::kPartial:
      return FindingCode::kUnmapPartial;
    case RequestFailure::kUnknownShmid:
    case RequestFailure::kLenZero:
    case RequestFailure::kOutOfRange:
    case RequestFailure::kUnaligned:
    case RequestFailure::kNotMapped:
      return FindingCode::kUnmapNotMapped;
    case RequestFailure::kMalformed:
      return FindingCode::kMapMalformed;
    default:
      return std::nullopt;
  }
}

FindingCode OddityFinding(int bit) {
  static constexpr std::array<FindingCode, kMappingOddityCount> kCodes = {
      FindingCode::kBeyondEof,       FindingCode::kEmptyBacking,      FindingCode::kShrinkableBacking,
      FindingCode::kFdNotWritable,   FindingCode::kFdOffsetUnaligned, FindingCode::kMapUnaligned,
      FindingCode::kMapUnknownFlags, FindingCode::kMapNoAck};
  return kCodes[static_cast<size_t>(bit)];
}

EvidenceList MapEvidence(FindingCode code, const MapRequest& request, const RequestContext& context) {
  EvidenceWriter evidence;
  if (code == FindingCode::kMapMalformed) return evidence.list();  // its numbers mean nothing
  evidence.Add(EvidenceKey::kShmOffset, request.shm_offset).Add(EvidenceKey::kLen, request.len);
  switch (code) {
    case FindingCode::kMapOutOfRange:
      evidence.Add(EvidenceKey::kFdOffset, request.fd_offset);
      if (context.region_size_bytes) evidence.Add(EvidenceKey::kRegionSizeBytes, *context.region_size_bytes);
      break;
    case FindingCode::kMapUnaligned:
      evidence.Add(EvidenceKey::kPageSizeBytes, context.page_size);
      break;
    case FindingCode::kFdOffsetUnaligned:
      evidence.Add(EvidenceKey::kFdOffset, request.fd_offset)
          .Add(EvidenceKey::kPageSizeBytes, context.page_size);
      break;
    case FindingCode::kMapOverlap:
      evidence.AddOther(context.other);
      break;
    case FindingCode::kPaddingNonzero:
      evidence.Add(EvidenceKey::kMessageId, 9);  // VHOST_USER_BACKEND_SHMEM_MAP
      break;
    case FindingCode::kMapNoFd:
    case FindingCode::kMapExtraFds:
      evidence.Add(EvidenceKey::kFdCount, request.fd_count).Add(EvidenceKey::kExpected, 1);
      break;
    case FindingCode::kMapUnknownFlags:
      evidence.Add(EvidenceKey::kFlags, request.flags);
      break;
    case FindingCode::kMapNoResources:
      if (context.error_number != 0) {
        evidence.Add(EvidenceKey::kErrorNumber, static_cast<uint64_t>(context.error_number));
      }
      if (context.region_size_bytes) evidence.Add(EvidenceKey::kRegionSizeBytes, *context.region_size_bytes);
      break;
    case FindingCode::kBeyondEof:
    case FindingCode::kEmptyBacking:
      AddFile(request, evidence);
      evidence.Add(EvidenceKey::kInode, request.fd.inode);
      break;
    case FindingCode::kShrinkableBacking:
      evidence.Add(EvidenceKey::kShmid, request.shmid).Add(EvidenceKey::kInode, request.fd.inode);
      break;
    case FindingCode::kFdNotWritable:
      evidence.Add(EvidenceKey::kFlags, request.flags).Add(EvidenceKey::kInode, request.fd.inode);
      break;
    default:
      break;
  }
  return evidence.list();
}

EvidenceList UnmapEvidence(const UnmapRequest& request, const RequestContext& context) {
  return EvidenceWriter()
      .Add(EvidenceKey::kShmOffset, request.shm_offset)
      .Add(EvidenceKey::kLen, request.len)
      .AddOther(context.other)
      .list();
}

}  // namespace shmemd::state
