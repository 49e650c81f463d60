#include "server/convert/layout.h"

#include <algorithm>
#include <functional>
#include <limits>

#include "server/convert/values.h"

namespace shmemd::convert {
namespace {

constexpr uint64_t kLargest = std::numeric_limits<uint64_t>::max();

uint64_t SumOrLargest(uint64_t a, uint64_t b) { return a > kLargest - b ? kLargest : a + b; }

// A stretch of one mapping: a mapping that ends beyond its file has two.
struct Stretch {
  uint64_t from = 0;
  uint64_t to = 0;
  ExtentKind kind = ExtentKind::kFree;
  uint64_t mapping = 0;  // where it starts
};

// Visits the stretches of all mappings below `limit` in order, until `visit` returns false.
void ForEachStretch(const state::RegionTable& table, uint64_t limit,
                    const std::function<bool(const Stretch&)>& visit) {
  table.ForEach(0, [&](const state::Mapping& mapping) {
    if (mapping.shm_offset >= limit) return false;
    const bool stale = mapping.state == state::MappingState::kStale;
    const uint64_t risky = stale ? mapping.len : std::min(mapping.beyond_eof_bytes(), mapping.len);
    const uint64_t end = SumOrLargest(mapping.shm_offset, mapping.len);
    const uint64_t split = std::min(end - std::min(risky, end - mapping.shm_offset), limit);
    const ExtentKind kind = mapping.writable() ? ExtentKind::kReadWrite : ExtentKind::kReadOnly;
    if (split > mapping.shm_offset && !visit({mapping.shm_offset, split, kind, mapping.shm_offset}))
      return false;
    const uint64_t to = std::min(end, limit);
    return to <= split || visit({split, to, ExtentKind::kAtRisk, mapping.shm_offset});
  });
}

uint64_t EndOfLast(const state::RegionTable& table) {
  uint64_t end = 0;
  table.ForEach(0, [&](const state::Mapping& mapping) {
    end = SumOrLargest(mapping.shm_offset, mapping.len);
    return true;
  });
  return end;
}

// An extent under construction knows its first mapping too, so that one that two neighbours share counts
// once.
struct Draft {
  Extent extent;
  uint64_t first_mapping = 0;
};

void Append(std::vector<Draft>& drafts, const Draft& next) {
  if (drafts.empty() || drafts.back().extent.kind != next.extent.kind) {
    drafts.push_back(next);
    return;
  }
  Extent& last = drafts.back().extent;
  const bool shared =
      last.mapping_count > 0 && next.extent.mapping_count > 0 && last.last_mapping == next.first_mapping;
  last.len += next.extent.len;
  last.mapping_count += next.extent.mapping_count - (shared ? 1 : 0);
  last.last_mapping = next.extent.last_mapping;
}

Draft FreeDraft(uint64_t from, uint64_t to) { return {{from, to - from, ExtentKind::kFree, 0, 0}, 0}; }

Layout Finished(const std::vector<Draft>& drafts, bool coarse) {
  Layout out;
  out.coarse = coarse;
  out.extents.reserve(drafts.size());
  for (const Draft& draft : drafts) out.extents.push_back(draft.extent);
  return out;
}

// False when more than `max_extents` are needed.
bool DrawExact(const state::RegionTable& table, uint64_t limit, size_t max_extents,
               std::vector<Draft>& drafts) {
  uint64_t drawn = 0;
  ForEachStretch(table, limit, [&](const Stretch& stretch) {
    if (stretch.from > drawn) Append(drafts, FreeDraft(drawn, stretch.from));
    Append(drafts,
           {{stretch.from, stretch.to - stretch.from, stretch.kind, 1, stretch.mapping}, stretch.mapping});
    drawn = stretch.to;
    return drafts.size() <= max_extents;
  });
  if (drafts.size() > max_extents) return false;
  if (drawn < limit) Append(drafts, FreeDraft(drawn, limit));
  return drafts.size() <= max_extents;
}

uint64_t CellSize(uint64_t limit, uint64_t page_size, size_t max_extents) {
  const uint64_t cell = (limit - 1) / max_extents + 1;
  const uint64_t over = page_size == 0 ? 0 : cell % page_size;
  if (over == 0 || cell > kLargest - page_size) return cell;
  return cell + page_size - over;
}

void Mark(const Stretch& stretch, uint64_t cell_size, std::vector<Draft>& cells) {
  const uint64_t last = (stretch.to - 1) / cell_size;
  for (uint64_t i = stretch.from / cell_size; i <= last; ++i) {
    Extent& cell = cells[i].extent;
    if (cell.mapping_count == 0) cells[i].first_mapping = stretch.mapping;
    if (cell.mapping_count == 0 || cell.last_mapping != stretch.mapping) ++cell.mapping_count;
    cell.last_mapping = stretch.mapping;
    cell.kind = std::max(cell.kind, stretch.kind);
  }
}

Layout DrawCells(const state::RegionTable& table, uint64_t limit, uint64_t cell_size) {
  const uint64_t count = (limit - 1) / cell_size + 1;
  std::vector<Draft> cells;
  cells.reserve(count);
  for (uint64_t i = 0; i < count; ++i) {
    const uint64_t from = i * cell_size;
    cells.push_back(FreeDraft(from, limit - from < cell_size ? limit : from + cell_size));
  }
  ForEachStretch(table, limit, [&](const Stretch& stretch) {
    Mark(stretch, cell_size, cells);
    return true;
  });
  std::vector<Draft> drafts;
  for (const Draft& cell : cells) Append(drafts, cell);
  return Finished(drafts, true);
}

v1::LayoutExtent::Kind EnumToProto(ExtentKind kind) {
  switch (kind) {
    case ExtentKind::kFree:
      return v1::LayoutExtent::FREE;
    case ExtentKind::kReadOnly:
      return v1::LayoutExtent::READ_ONLY;
    case ExtentKind::kReadWrite:
      return v1::LayoutExtent::READ_WRITE;
    case ExtentKind::kAtRisk:
      return v1::LayoutExtent::AT_RISK;
  }
  return v1::LayoutExtent::KIND_UNSPECIFIED;
}

}  // namespace

Layout MakeLayout(const state::RegionTable& table, uint64_t page_size, size_t max_extents) {
  const uint64_t limit = table.size_bytes() ? *table.size_bytes() : EndOfLast(table);
  if (limit == 0) return {};
  std::vector<Draft> drafts;
  drafts.reserve(max_extents + 2);
  if (DrawExact(table, limit, max_extents, drafts)) return Finished(drafts, false);
  return DrawCells(table, limit, CellSize(limit, page_size, max_extents));
}

v1::LayoutExtent ToProto(const Extent& extent) {
  v1::LayoutExtent out;
  out.set_shm_offset_bytes(Saturated(extent.shm_offset));
  out.set_length_bytes(Saturated(extent.len));
  out.set_kind(EnumToProto(extent.kind));
  out.set_mapping_count(Saturated(extent.mapping_count));
  return out;
}

}  // namespace shmemd::convert
