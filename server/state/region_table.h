// The settled mappings of one region, ordered by offset, never overlapping; with their totals and the largest
// hole kept up to date in O(log n).
//
// Not thread-safe: each owner has its own. Memory: about 64 bytes a mapping, holes included; files are
// interned in `BackingPool`. Any 64-bit value may come in: a range that would wrap is cut at the top of the
// address space, whose last byte can never be mapped, so that no end and no sum of lengths ever overflows.
//
// A B+ tree of two levels: leaves of up to 64 packed mappings under an absl::btree_map. Holes are not stored;
// each leaf knows the holes before its mappings, and the largest of each leaf is in an ordered set.
#pragma once

#include <absl/container/btree_map.h>
#include <absl/container/btree_set.h>

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <utility>

#include "server/state/backing_pool.h"
#include "server/state/mapping.h"
#include "server/state/mapping_leaf.h"

namespace shmemd::state {

struct RegionTotals {
  uint64_t mapped_bytes = 0;   // sum of len over kMapped and kAssumed
  uint64_t assumed_bytes = 0;  // the part that is kAssumed
  uint64_t stale_bytes = 0;
  uint64_t writable_bytes = 0;  // the part of mapped_bytes that may be written
  uint64_t at_risk_bytes = 0;   // beyond the end of the file, plus stale
  uint64_t mapping_count = 0;   // all states

  bool operator==(const RegionTotals&) const = default;
};

class RegionTable {
 public:
  // `pool` outlives the table. `shmid` is what the mappings that it returns carry.
  explicit RegionTable(BackingPool& pool, uint8_t shmid = 0);
  ~RegionTable();
  RegionTable(RegionTable&&) noexcept;
  RegionTable& operator=(RegionTable&&) = delete;
  RegionTable(const RegionTable&) = delete;
  RegionTable& operator=(const RegionTable&) = delete;

  // The size decides about holes only: mappings beyond it are kept. nullopt: not known.
  void SetSize(std::optional<uint64_t> size_bytes);
  std::optional<uint64_t> size_bytes() const { return size_bytes_; }

  // Rules of our own front-end (vhost-user specification, SHMEM_MAP: a map over an existing map fails;
  // QEMU 11.1 compares ranges byte by byte). `page_size` in bytes. kNone: Insert would not touch another
  // mapping.
  RequestFailure CheckMap(const MapRequest& request, uint64_t page_size) const;
  // An unmap covers exactly one mapping (specification, SHMEM_UNMAP; QEMU 11.1).
  RequestFailure CheckUnmap(const UnmapRequest& request) const;

  // What Insert and Erase had to do to settled mappings to take the change.
  enum class Outcome : uint8_t {
    kClean,          // nothing else was touched
    kReplacedStale,  // Insert: only STALE mappings were overlapped
    kReplaced,       // Insert: live mappings were overlapped and lost that part
    kPartial,        // Erase: not exactly one mapping; what it covered is gone
    kNothing,        // Erase: nothing was there. Insert: len is 0
  };
  // Settles a mapping; never refuses. What it overlaps loses the overlapped part; the rest of it keeps its
  // identity.
  Outcome Insert(const Mapping& mapping);
  // Removes the exact range, else the mapping that starts there, else the overlapped parts.
  Outcome Erase(uint64_t shm_offset, uint64_t len);
  void Clear();
  void MarkAllStale();
  // Whether an unmap of the mapping that starts at `shm_offset` waits for its answer. Nothing there: no
  // effect.
  void SetUnmapPending(uint64_t shm_offset, bool pending);

  // Whether the VMM's memory table holds the mapping that starts at `shm_offset`. kYes: a STALE one is MAPPED
  // again. Nothing there: no effect.
  void SetInMemoryTable(uint64_t shm_offset, InMemoryTable in_memory_table);
  // How large the file of the mapping that starts at `shm_offset` is by now. Nothing there: no effect.
  void SetFileSize(uint64_t shm_offset, int64_t size_bytes);

  const RegionTotals& totals() const { return totals_; }
  uint64_t free_bytes() const;          // 0 while the size is unknown
  uint64_t largest_hole_bytes() const;  // 0 while the size is unknown or when full
  uint64_t hole_count() const;          // 0 while the size is unknown
  // MappingOddity of all mappings, or-ed.
  uint16_t oddities() const;

  // Calls `visit` in order of offset for mappings that start at or after `from_offset`, until it returns
  // false.
  void ForEach(uint64_t from_offset, const std::function<bool(const Mapping&)>& visit) const;
  // The mapping that covers `shm_offset`.
  std::optional<Mapping> Find(uint64_t shm_offset) const;
  // The first mapping that shares a byte with the range.
  std::optional<Mapping> FindOverlap(uint64_t shm_offset, uint64_t len) const;

 private:
  // By the offset from which on a leaf is responsible; the first one's is 0.
  using Leaves = absl::btree_map<uint64_t, MappingLeaf>;

  Leaves::iterator LeafOf(uint64_t shm_offset);
  Leaves::const_iterator LeafOf(uint64_t shm_offset) const;
  const PackedMapping* FirstOverlap(uint64_t begin, uint64_t end) const;
  const PackedMapping* StartingAt(uint64_t shm_offset) const;
  PackedMapping* StartingAt(uint64_t shm_offset);
  Outcome RemoveOverlap(uint64_t begin, uint64_t end);

  void Add(const Mapping& mapping);
  void Remove(uint64_t shm_offset);
  Leaves::iterator RoomyLeafOf(uint64_t shm_offset);
  void DropEmptyLeaf(Leaves::iterator leaf);
  bool MergeWithNext(Leaves::iterator leaf);
  void ForgetHoles(Leaves::iterator leaf);
  void MeasureHoles(Leaves::iterator leaf);
  void MeasureHolesAround(uint64_t shm_offset);
  void Account(const PackedMapping& mapping, bool add);

  PackedMapping Pack(const Mapping& mapping);
  Mapping Unpack(const PackedMapping& packed) const;
  uint64_t LastEnd() const;
  // Holes are looked for below this: 0 while the size is unknown.
  uint64_t HoleLimit() const { return size_bytes_.value_or(0); }

  BackingPool* pool_;
  Leaves leaves_;
  absl::btree_set<std::pair<uint64_t, uint64_t>>
      largest_holes_;                           // of each leaf that has holes: bytes, leaf's key
  absl::btree_map<uint64_t, RareFields> rare_;  // by shm_offset
  RegionTotals totals_;
  uint64_t hole_bytes_ = 0;  // holes before the last mapping
  uint64_t hole_count_ = 0;
  std::array<uint64_t, kMappingOddityCount> oddity_counts_{};
  std::optional<uint64_t> size_bytes_;
  uint8_t shmid_;
};

}  // namespace shmemd::state
