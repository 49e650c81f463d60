// The leaves of a RegionTable: a few dozen mappings in order of offset, packed, and what is known of the
// holes before them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "server/state/backing_pool.h"

namespace shmemd::state {

// A Mapping in 56 bytes: without the shmid (the table's), with an id for its file. The few mappings whose
// flags or latency do not fit have `rare` set, and the table keeps those two apart.
struct PackedMapping {
  static constexpr uint32_t kNoAckLatency = UINT32_MAX;

  uint64_t shm_offset = 0;
  uint64_t len = 0;
  uint64_t fd_offset = 0;
  int64_t request_time_ns = 0;
  uint64_t sequence = 0;
  uint32_t ack_latency_ns = kNoAckLatency;
  BackingPool::Id backing = 0;
  uint32_t epoch = 0;
  uint16_t oddities = 0;
  uint8_t state : 2 = 0;
  uint8_t in_memory_table : 2 = 0;
  uint8_t unmap_pending : 1 = 0;
  uint8_t writable : 1 = 0;
  uint8_t rare : 1 = 0;

  // Exclusive. Never wraps: the table cuts mappings at the top.
  uint64_t end() const { return shm_offset + len; }
};
static_assert(sizeof(PackedMapping) == 56);

// What does not fit into a PackedMapping.
struct RareFields {
  uint64_t flags = 0;
  int64_t ack_latency_ns = -1;
};

// The holes between the mapping before a leaf and the leaf's last mapping, as far as they lie inside the
// region.
struct HoleSummary {
  uint64_t largest = 0;
  uint64_t bytes = 0;
  uint64_t count = 0;
};

struct MappingLeaf {
  // Moving half of a full leaf costs less than a cache miss or two of a binary tree of the same size.
  static constexpr size_t kMaxMappings = 64;

  std::vector<PackedMapping> mappings;  // by offset; never empty while in a table
  uint64_t holes_from = 0;              // end of the mapping before this leaf, as of `holes`
  HoleSummary holes;

  // Index of the first mapping at or after `shm_offset`.
  size_t LowerBound(uint64_t shm_offset) const;
  void Insert(const PackedMapping& mapping);
  void Erase(size_t index);
  // Takes the upper half out.
  MappingLeaf SplitOff();
  HoleSummary MeasureHoles(uint64_t from, uint64_t region_size_bytes) const;
};

}  // namespace shmemd::state
