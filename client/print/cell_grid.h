// How much of each cell of an address map is mapped, and how large a cell is. Pure functions, no text.
#pragma once

#include <cstdint>
#include <vector>

#include "vhost/shmem/v1/inspector.pb.h"

namespace shmemd::client {

// The kinds in rising order of what matters.
enum class CellKind : uint8_t { kFree, kReadOnly, kReadWrite, kAtRisk };

struct MapCell {
  CellKind kind = CellKind::kFree;
  bool sparse = false;  // less than half of it is mapped

  bool operator==(const MapCell&) const = default;
};

struct CellGrid {
  uint64_t end_bytes = 0;   // offset after the last cell: the size, or the end of the last mapping
  uint64_t cell_bytes = 0;  // a power of two
  int cells_per_row = 0;    // a power of two
  bool size_known = false;
  std::vector<MapCell> cells;
};

// `columns` is the room for the cells of one row. At most 256 cells, or one row; a cell is not smaller than a
// page unless the region has fewer pages than a row has cells.
CellGrid MakeCellGrid(const ::vhost::shmem::v1::GetRegionLayoutResponse& layout, int columns);

}  // namespace shmemd::client
