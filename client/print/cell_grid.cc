#include "client/print/cell_grid.h"

#include <algorithm>

namespace shmemd::client {
namespace {

namespace v1 = ::vhost::shmem::v1;

constexpr uint64_t kMaxCells = 256;
constexpr uint64_t kMaxRows = 8;
constexpr uint64_t kDefaultPageBytes = 4096;

uint64_t Unsigned(int64_t value) { return value < 0 ? 0 : static_cast<uint64_t>(value); }

uint64_t EndOf(const v1::LayoutExtent& extent) {
  return Unsigned(extent.shm_offset_bytes()) + Unsigned(extent.length_bytes());
}

uint64_t CellCount(uint64_t end, uint64_t cell) { return end / cell + (end % cell != 0 ? 1 : 0); }

// The smallest power of two that needs at most `cells` cells.
uint64_t CellFor(uint64_t end, uint64_t cells) {
  uint64_t cell = 1;
  while (CellCount(end, cell) > cells) cell *= 2;
  return cell;
}

CellKind KindOf(v1::LayoutExtent::Kind kind) {
  switch (kind) {
    case v1::LayoutExtent::READ_WRITE:
      return CellKind::kReadWrite;
    case v1::LayoutExtent::READ_ONLY:
      return CellKind::kReadOnly;
    case v1::LayoutExtent::AT_RISK:
      return CellKind::kAtRisk;
    default:
      return CellKind::kFree;
  }
}

// Draws one extent and adds to `covered` how many bytes of each cell it takes.
void Draw(const v1::LayoutExtent& extent, CellGrid* grid, std::vector<uint64_t>* covered) {
  const CellKind kind = KindOf(extent.kind());
  const uint64_t begin = Unsigned(extent.shm_offset_bytes());
  const uint64_t end = std::min(EndOf(extent), grid->end_bytes);
  if (kind == CellKind::kFree || begin >= end) return;
  for (uint64_t i = begin / grid->cell_bytes; i <= (end - 1) / grid->cell_bytes; ++i) {
    const uint64_t cell_begin = i * grid->cell_bytes;
    const uint64_t from = std::max(begin, cell_begin);
    const uint64_t to = std::min(end - cell_begin, grid->cell_bytes) + cell_begin;
    (*covered)[i] += to - from;
    grid->cells[i].kind = std::max(grid->cells[i].kind, kind);
  }
}

}  // namespace

CellGrid MakeCellGrid(const v1::GetRegionLayoutResponse& layout, int columns) {
  CellGrid grid;
  const v1::Region& region = layout.region();
  grid.size_known = region.has_size_bytes();
  grid.end_bytes = Unsigned(region.size_bytes());
  if (!grid.size_known) {
    for (const v1::LayoutExtent& extent : layout.extents())
      grid.end_bytes = std::max(grid.end_bytes, EndOf(extent));
  }
  uint64_t row = 8;
  while (row * 2 <= static_cast<uint64_t>(std::max(columns, 8)) && row < kMaxCells) row *= 2;
  grid.cells_per_row = static_cast<int>(row);
  const uint64_t page =
      region.host_page_size_bytes() > 0 ? Unsigned(region.host_page_size_bytes()) : kDefaultPageBytes;
  const uint64_t one_row_cell = CellFor(grid.end_bytes, row);
  const uint64_t fine_cell = CellFor(grid.end_bytes, std::min(kMaxCells, row * kMaxRows));
  grid.cell_bytes = std::min(one_row_cell, std::max(fine_cell, page));
  grid.cells.resize(CellCount(grid.end_bytes, grid.cell_bytes));
  std::vector<uint64_t> covered(grid.cells.size());
  for (const v1::LayoutExtent& extent : layout.extents()) Draw(extent, &grid, &covered);
  for (size_t i = 0; i < grid.cells.size(); ++i) {
    const uint64_t whole = std::min(grid.cell_bytes, grid.end_bytes - i * grid.cell_bytes);
    grid.cells[i].sparse = grid.cells[i].kind != CellKind::kFree && covered[i] < whole - whole / 2;
  }
  return grid;
}

}  // namespace shmemd::client
