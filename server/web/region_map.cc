#include "server/web/region_map.h"

#include <algorithm>
#include <functional>
#include <limits>
#include <utility>

namespace shmemd::web {
namespace {

// A part of a mapping that has one paint; offsets that would wrap end at the top.
struct Stretch {
  uint64_t from = 0;
  uint64_t to = 0;
  Paint paint = Paint::kReadOnly;
};

uint64_t EndOf(const state::Mapping& mapping) {
  constexpr uint64_t kLargest = std::numeric_limits<uint64_t>::max();
  return mapping.len > kLargest - mapping.shm_offset ? kLargest : mapping.shm_offset + mapping.len;
}

// The parts of a mapping below `limit`: before the end of its file, and behind it.
template <typename Visit>
void ForEachStretch(const state::Mapping& mapping, uint64_t limit, const Visit& visit) {
  const uint64_t end = EndOf(mapping);
  const bool stale = mapping.state == state::MappingState::kStale;
  const uint64_t beyond = stale ? 0 : std::min(mapping.beyond_eof_bytes(), end - mapping.shm_offset);
  const uint64_t split = std::min(end - beyond, limit);
  if (split > mapping.shm_offset) visit(Stretch{mapping.shm_offset, split, PaintOf(mapping)});
  const uint64_t from = std::max(split, mapping.shm_offset);
  if (std::min(end, limit) > from) visit(Stretch{from, std::min(end, limit), Paint::kBeyondEnd});
}

uint64_t EndOfLast(const state::RegionTable& table) {
  uint64_t end = 0;
  table.ForEach(0, [&](const state::Mapping& mapping) {
    end = EndOf(mapping);
    return true;
  });
  return end;
}

void DrawMappings(const state::RegionTable& table, RegionMap& map) {
  table.ForEach(0, [&](const state::Mapping& mapping) {
    ForEachStretch(mapping, map.end_bytes, [&](const Stretch& stretch) {
      map.segments.push_back({stretch.from, stretch.to, stretch.paint, 4, 1, mapping});
    });
    return mapping.shm_offset < map.end_bytes;
  });
}

struct Column {
  uint64_t covered_bytes = 0;
  uint64_t mapping_count = 0;
  uint64_t last_mapping = 0;  // where it starts; meaningful if there is one
  Paint paint = Paint::kReadOnly;
};

class Columns {
 public:
  Columns(uint64_t end_bytes, size_t count) : width_((end_bytes - 1) / count + 1), columns_(count) {}

  void Mark(const Stretch& stretch, uint64_t mapping) {
    for (uint64_t i = stretch.from / width_; i <= (stretch.to - 1) / width_; ++i) {
      Column& column = columns_[i];
      const uint64_t begin = i * width_;
      const uint64_t from = std::max(stretch.from, begin);
      column.covered_bytes += (stretch.to - begin < width_ ? stretch.to : begin + width_) - from;
      if (column.mapping_count == 0 || column.last_mapping != mapping) ++column.mapping_count;
      column.last_mapping = mapping;
      column.paint = std::max(column.paint, stretch.paint);
    }
  }

  // Neighbours that look the same as one.
  void AddTo(RegionMap& map) const {
    for (size_t i = 0; i < columns_.size(); ++i) {
      const Column& column = columns_[i];
      if (column.mapping_count == 0) continue;
      const uint64_t from = i * width_;
      const uint64_t to = map.end_bytes - from < width_ ? map.end_bytes : from + width_;
      const auto quarters =
          static_cast<uint8_t>(std::clamp<uint64_t>(column.covered_bytes / ((to - from - 1) / 4 + 1), 1, 4));
      if (!map.segments.empty()) {
        Segment& last = map.segments.back();
        if (last.to == from && last.paint == column.paint && last.quarters == quarters) {
          last.to = to;
          last.mapping_count += column.mapping_count;
          continue;
        }
      }
      map.segments.push_back({from, to, column.paint, quarters, column.mapping_count, std::nullopt});
    }
  }

 private:
  uint64_t width_;
  std::vector<Column> columns_;
};

void DrawColumns(const state::RegionTable& table, size_t count, RegionMap& map) {
  map.by_columns = true;
  Columns columns(map.end_bytes, count);
  table.ForEach(0, [&](const state::Mapping& mapping) {
    ForEachStretch(mapping, map.end_bytes,
                   [&](const Stretch& stretch) { columns.Mark(stretch, mapping.shm_offset); });
    return mapping.shm_offset < map.end_bytes;
  });
  columns.AddTo(map);
}

}  // namespace

Paint PaintOf(const state::Mapping& mapping) {
  if (mapping.state == state::MappingState::kStale) return Paint::kStale;
  if (mapping.state == state::MappingState::kAssumed) return Paint::kAssumed;
  return mapping.writable() ? Paint::kReadWrite : Paint::kReadOnly;
}

RegionMap MakeRegionMap(const state::RegionTable& table, const MapDetail& detail) {
  RegionMap map;
  map.size_known = table.size_bytes().has_value();
  map.end_bytes = map.size_known ? *table.size_bytes() : EndOfLast(table);
  if (map.end_bytes == 0) return map;
  if (table.totals().mapping_count <= detail.max_mappings) {
    DrawMappings(table, map);
  } else {
    DrawColumns(table, std::max<size_t>(detail.columns, 1), map);
  }
  return map;
}

}  // namespace shmemd::web
