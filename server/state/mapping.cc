#include "server/state/mapping.h"

#include <linux/fcntl.h>

#include <cstddef>

namespace shmemd::state {
namespace {

// Of other kinds stat says 0 or nothing useful.
bool HasEnd(const base::FdFacts& fd) {
  switch (fd.kind) {
    case base::FdKind::kDmaBuf:
    case base::FdKind::kDevice:
    case base::FdKind::kOther:
      return false;
    case base::FdKind::kUnknown:
    case base::FdKind::kMemfd:
    case base::FdKind::kHugetlb:
    case base::FdKind::kFile:
      break;
  }
  return fd.size_bytes >= 0;
}

// Whether its owner can cut it off behind a live mapping. Files on hugetlbfs and on disk take no seals at
// all.
bool IsShrinkable(const base::FdFacts& fd) {
  const bool sealed = fd.seals_known && (fd.seals & F_SEAL_SHRINK) != 0;
  switch (fd.kind) {
    case base::FdKind::kMemfd:
      return fd.seals_known && !sealed;
    case base::FdKind::kHugetlb:
    case base::FdKind::kFile:
      return !sealed;
    default:
      return false;
  }
}

bool IsUnaligned(uint64_t value, uint64_t page_size) { return page_size > 1 && value % page_size != 0; }

}  // namespace

uint64_t BeyondEofBytes(const base::FdFacts& fd, uint64_t fd_offset, uint64_t len) {
  if (!HasEnd(fd)) return 0;
  const auto size_bytes = static_cast<uint64_t>(fd.size_bytes);
  if (fd_offset >= size_bytes) return len;
  const uint64_t backed = size_bytes - fd_offset;
  return len > backed ? len - backed : 0;
}

uint64_t Mapping::beyond_eof_bytes() const { return BeyondEofBytes(fd, fd_offset, len); }

uint16_t SizeOddityOf(const Mapping& mapping) {
  if (mapping.beyond_eof_bytes() == 0) return 0;
  return mapping.fd.size_bytes == 0 ? kOddEmptyBacking : kOddBeyondEof;
}

uint16_t OdditiesOf(const Mapping& mapping, uint64_t page_size) {
  unsigned odd = SizeOddityOf(mapping);
  if (IsShrinkable(mapping.fd)) odd |= kOddShrinkableBacking;
  if (mapping.fd.access == base::FdAccess::kReadOnly) odd |= kOddFdNotWritable;
  if (IsUnaligned(mapping.fd_offset, page_size)) odd |= kOddFdOffsetUnaligned;
  if (IsUnaligned(mapping.shm_offset, page_size)) odd |= kOddUnaligned;
  if ((mapping.flags & ~kMapFlagReadWrite) != 0) odd |= kOddUnknownFlags;
  if (mapping.ack_latency_ns < 0) odd |= kOddNoAck;
  return static_cast<uint16_t>(odd);
}

const char* RequestFailureName(RequestFailure failure) {
  switch (failure) {
    case RequestFailure::kNone:
      return "none";
    case RequestFailure::kUnknownShmid:
      return "unknown_shmid";
    case RequestFailure::kLenZero:
      return "len_zero";
    case RequestFailure::kOutOfRange:
      return "out_of_range";
    case RequestFailure::kUnaligned:
      return "unaligned";
    case RequestFailure::kFdOffsetUnaligned:
      return "fd_offset_unaligned";
    case RequestFailure::kOverlap:
      return "overlap";
    case RequestFailure::kNoFd:
      return "no_fd";
    case RequestFailure::kExtraFds:
      return "extra_fds";
    case RequestFailure::kMappingLimit:
      return "mapping_limit";
    case RequestFailure::kWindowTooLarge:
      return "window_too_large";
    case RequestFailure::kNoResources:
      return "no_resources";
    case RequestFailure::kPartial:
      return "partial";
    case RequestFailure::kNotMapped:
      return "not_mapped";
    case RequestFailure::kRefused:
      return "refused";
    case RequestFailure::kMalformed:
      return "malformed";
  }
  return "unknown";
}

}  // namespace shmemd::state
