// The settled mappings of one region, ordered by offset, never overlapping; with their totals and the largest hole
// kept up to date in O(log n).
//
// Not thread-safe: each owner has its own. Memory: about 80 bytes a mapping; files are interned in `BackingPool`.
#pragma once

#include <absl/container/btree_map.h>
#include <absl/container/btree_set.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <utility>

#include "server/state/backing_pool.h"
#include "server/state/mapping.h"

namespace shmemd::state {

struct RegionTotals {
  uint64_t mapped_bytes = 0;    // sum of len over kMapped and kAssumed
  uint64_t assumed_bytes = 0;   // the part that is kAssumed
  uint64_t stale_bytes = 0;
  uint64_t writable_bytes = 0;  // the part of mapped_bytes that may be written
  uint64_t at_risk_bytes = 0;   // beyond the end of the file, plus stale
  uint64_t mapping_count = 0;   // all states

  bool operator==(const RegionTotals&) const = default;
};

class RegionTable {
 public:
  // `pool` outlives the table.
  explicit RegionTable(BackingPool& pool);
  ~RegionTable();
  RegionTable(RegionTable&&) noexcept;
  RegionTable& operator=(RegionTable&&) = delete;
  RegionTable(const RegionTable&) = delete;
  RegionTable& operator=(const RegionTable&) = delete;

  // The size decides about holes only: mappings beyond it are kept. nullopt: not known.
  void SetSize(std::optional<uint64_t> size_bytes);
  std::optional<uint64_t> size_bytes() const { return size_bytes_; }

  // Rules of our own front-end (vhost-user specification, SHMEM_MAP: a map over an existing map fails; QEMU 11.1
  // compares ranges byte by byte). `page_size` in bytes. kNone: Insert would not touch another mapping.
  RequestFailure CheckMap(const MapRequest& request, uint64_t page_size) const;
  // An unmap covers exactly one mapping (specification, SHMEM_UNMAP; QEMU 11.1).
  RequestFailure CheckUnmap(const UnmapRequest& request) const;

  // What Insert and Erase had to do to settled mappings to take the change.
  enum class Outcome : uint8_t {
    kClean,          // nothing else was touched
    kReplacedStale,  // Insert: only STALE mappings were overlapped
    kReplaced,       // Insert: live mappings were overlapped and lost that part
    kPartial,        // Erase: not exactly one mapping; what it covered is gone
    kNothing,        // Erase: nothing was there
  };
  // Settles a mapping; never refuses. What it overlaps loses the overlapped part. len 0 is ignored (kNothing).
  Outcome Insert(const Mapping& mapping);
  // Removes the exact range, else the mapping that starts there, else the overlapped parts.
  Outcome Erase(uint64_t shm_offset, uint64_t len);
  void Clear();
  void MarkAllStale();

  const RegionTotals& totals() const { return totals_; }
  uint64_t free_bytes() const;             // 0 while the size is unknown
  uint64_t largest_hole_bytes() const;     // 0 while the size is unknown or when full
  uint64_t hole_count() const;             // 0 while the size is unknown

  // Calls `visit` in order of offset for mappings that start at or after `from_offset`, until it returns false.
  void ForEach(uint64_t from_offset, const std::function<bool(const Mapping&)>& visit) const;
  // The mapping that covers `shm_offset`.
  std::optional<Mapping> Find(uint64_t shm_offset) const;

 private:
  struct Entry;
};

}  // namespace shmemd::state
