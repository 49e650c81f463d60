#include "server/web/region_map.h"

#include <algorithm>
#include <cmath>
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
  uint64_t first_mapping = 0;  // where it starts; as the next: meaningful if there is one
  uint64_t last_mapping = 0;
  Paint paint = Paint::kReadOnly;
};

// In whole pages, where they can be: so a column begins at an offset that a mapping may begin at.
uint64_t ColumnWidth(uint64_t end_bytes, const MapDetail& detail) {
  const uint64_t width = (end_bytes - 1) / std::max<size_t>(detail.columns, 1) + 1;
  const uint64_t missing = (detail.page_size - width % detail.page_size) % detail.page_size;
  return missing > std::numeric_limits<uint64_t>::max() - width ? width : width + missing;
}

uint8_t QuartersOf(uint64_t covered, uint64_t whole) {
  const double share = static_cast<double>(covered) / static_cast<double>(whole);
  return static_cast<uint8_t>(std::min(std::lround(4 * share), 4L));
}

class Columns {
 public:
  Columns(uint64_t end_bytes, const MapDetail& detail)
      : width_(ColumnWidth(end_bytes, detail)), columns_((end_bytes - 1) / width_ + 1) {}

  void Mark(const Stretch& stretch, uint64_t mapping) {
    for (uint64_t i = stretch.from / width_; i <= (stretch.to - 1) / width_; ++i) {
      Column& column = columns_[i];
      const uint64_t begin = i * width_;
      const uint64_t from = std::max(stretch.from, begin);
      column.covered_bytes += (stretch.to - begin < width_ ? stretch.to : begin + width_) - from;
      if (column.mapping_count == 0) column.first_mapping = mapping;
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
      const uint8_t quarters = QuartersOf(column.covered_bytes, to - from);
      if (!map.segments.empty()) {
        Segment& last = map.segments.back();
        if (last.to == from && last.paint == column.paint && last.quarters == quarters) {
          // One that reaches into this column was counted before.
          const bool goes_on = columns_[i - 1].last_mapping == column.first_mapping;
          last.to = to;
          last.mapping_count += column.mapping_count - (goes_on ? 1 : 0);
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

void DrawColumns(const state::RegionTable& table, const MapDetail& detail, RegionMap& map) {
  map.by_columns = true;
  Columns columns(map.end_bytes, detail);
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
    DrawColumns(table, detail, map);
  }
  return map;
}

}  // namespace shmemd::web
