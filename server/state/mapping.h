// A mapping and the requests that make and unmake it, as values.
#pragma once

#include <cstdint>

#include "server/base/fd_facts.h"

namespace shmemd::state {

enum class MappingState : uint8_t {
  kMapped,   // the front-end acknowledged it
  kAssumed,  // nobody was asked to acknowledge it
  kStale,    // its owner may be gone
};

enum class InMemoryTable : uint8_t { kUnknown, kYes, kNo };

// What is odd about one mapping, as a bit mask; each bit has a finding code of the same name.
enum MappingOddity : uint16_t {
  kOddBeyondEof = 1 << 0,
  kOddEmptyBacking = 1 << 1,
  kOddShrinkableBacking = 1 << 2,
  kOddFdNotWritable = 1 << 3,
  kOddFdOffsetUnaligned = 1 << 4,
  kOddUnaligned = 1 << 5,
  kOddUnknownFlags = 1 << 6,
  kOddNoAck = 1 << 7,
};
inline constexpr int kMappingOddityCount = 8;

// Bit 0 of the flags of SHMEM_MAP: read-write; all other bits are undefined (vhost-user specification,
// VHOST_USER_BACKEND_SHMEM_MAP).
inline constexpr uint64_t kMapFlagReadWrite = 1;

// SHMEM_MAP as it came, with the facts of its descriptor.
struct MapRequest {
  uint64_t shm_offset = 0;  // bytes into the region
  uint64_t len = 0;         // bytes, as sent
  uint64_t fd_offset = 0;   // bytes into the file
  uint64_t flags = 0;       // as sent
  base::FdFacts fd;         // of the first descriptor
  uint16_t fd_count = 0;    // descriptors that came with the message
  uint8_t shmid = 0;
  bool need_reply = false;  // the back-end asked for an answer, and REPLY_ACK is agreed on
  bool padding_nonzero = false;

  bool operator==(const MapRequest&) const = default;
};

// SHMEM_UNMAP as it came.
struct UnmapRequest {
  uint64_t shm_offset = 0;
  uint64_t len = 0;
  uint16_t fd_count = 0;
  uint8_t shmid = 0;
  bool need_reply = false;

  bool operator==(const UnmapRequest&) const = default;
};

// One settled range of a region.
struct Mapping {
  uint64_t shm_offset = 0;
  uint64_t len = 0;  // bytes, as sent
  uint64_t fd_offset = 0;
  uint64_t flags = 0;
  base::FdFacts fd;
  int64_t request_time_ns = 0;  // wall clock
  int64_t ack_latency_ns = -1;  // request seen to answer seen; -1: nobody answered (kAssumed)
  uint64_t sequence = 0;        // of the event that settled it; with `epoch` the mapping's uid
  uint32_t epoch = 0;           // connection epoch
  uint16_t oddities = 0;        // MappingOddity
  uint8_t shmid = 0;
  MappingState state = MappingState::kMapped;
  InMemoryTable in_memory_table = InMemoryTable::kUnknown;
  bool unmap_pending = false;

  bool writable() const { return (flags & kMapFlagReadWrite) != 0; }
  // Bytes beyond the end of the file when it was last seen: touching them is SIGBUS. 0 for what has no end
  // (dma-buf, device) and while the size is unknown.
  uint64_t beyond_eof_bytes() const;
  bool operator==(const Mapping&) const = default;
};

// Bytes of a range of a file that lie beyond the file's end.
uint64_t BeyondEofBytes(const base::FdFacts& fd, uint64_t fd_offset, uint64_t len);
// What the size of its file makes odd about a mapping: kOddBeyondEof or kOddEmptyBacking.
uint16_t SizeOddityOf(const Mapping& mapping);
inline constexpr uint16_t kOddOfSize = kOddBeyondEof | kOddEmptyBacking;
// What is odd about a mapping, as MappingOddity bits. `page_size` in bytes.
uint16_t OdditiesOf(const Mapping& mapping, uint64_t page_size);

// Why a SHMEM_MAP or SHMEM_UNMAP failed. A closed set: it is a metric label.
enum class RequestFailure : uint8_t {
  kNone,
  kUnknownShmid,       // no such region
  kLenZero,            // len is 0
  kOutOfRange,         // beyond the end of the region, or wrapping
  kUnaligned,          // shm_offset is no multiple of the page size
  kFdOffsetUnaligned,  // fd_offset is no multiple of the page size
  kOverlap,            // overlaps a mapping
  kNoFd,               // no descriptor came along
  kExtraFds,           // more than one descriptor came along
  kMappingLimit,       // limits.max_mappings is reached
  kWindowTooLarge,     // the region is larger than limits.max_window
  kNoResources,        // mmap failed; error_number says how
  kPartial,            // unmap: not exactly one mapping
  kNotMapped,          // unmap: nothing there
  kRefused,            // relay: the VMM said no
  kMalformed,          // the message itself is broken
};
inline constexpr int kRequestFailureCount = 16;

// The label: "none", "unknown_shmid", "out_of_range", ...
const char* RequestFailureName(RequestFailure failure);

}  // namespace shmemd::state
