// The address space of one region as a row of painted segments: each mapping by itself while they are few,
// columns of equal width when they are many. What nothing is mapped to is not listed.
//
// A pure function of the table; called with the replica locked. One pass over the mappings (two while the
// size is not known), memory in proportion to the segments.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "server/state/region_table.h"

namespace shmemd::web {

// In rising order of what matters: a column shows the highest in it.
enum class Paint : uint8_t { kReadOnly, kReadWrite, kAssumed, kStale, kBeyondEnd };
inline constexpr int kPaintCount = 5;

struct Segment {
  uint64_t from = 0;  // bytes into the region
  uint64_t to = 0;
  Paint paint = Paint::kReadOnly;
  uint8_t quarters = 4;        // how much of it is mapped, to the nearest; 0: less than half a quarter
  uint64_t mapping_count = 1;  // that it stands for, also in part, each once
  // The one mapping of which it is a part; nullopt: columns.
  std::optional<state::Mapping> mapping;
};

struct RegionMap {
  uint64_t end_bytes = 0;  // the size; the end of the last mapping while the size is not known
  bool size_known = false;
  bool by_columns = false;
  std::vector<Segment> segments;  // by offset, never overlapping
};

struct MapDetail {
  uint64_t max_mappings = 0;  // up to so many each mapping is a segment
  size_t columns = 64;        // else there are so many at most, as wide as whole pages
  uint64_t page_size = 4096;  // in bytes
};

// Mappings beyond the size are cut there.
RegionMap MakeRegionMap(const state::RegionTable& table, const MapDetail& detail);

// Why a mapping is painted as it is; of one that ends beyond its file the part before that.
Paint PaintOf(const state::Mapping& mapping);

}  // namespace shmemd::web
