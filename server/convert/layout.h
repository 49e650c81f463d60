// The address space of a region as a row of extents: exact while they are few, a grid of cells when they are
// many.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "server/state/region_table.h"
#include "vhost/shmem/v1/region.pb.h"

namespace shmemd::convert {

namespace v1 = ::vhost::shmem::v1;

// In the order of what matters least to what matters most.
enum class ExtentKind : uint8_t { kFree, kReadOnly, kReadWrite, kAtRisk };

struct Extent {
  uint64_t shm_offset = 0;
  uint64_t len = 0;
  ExtentKind kind = ExtentKind::kFree;
  uint64_t mapping_count = 0;  // mappings it stands for, also in part
  uint64_t last_mapping = 0;   // where the last of them starts; meaningful if there is one

  bool operator==(const Extent&) const = default;
};

struct Layout {
  std::vector<Extent> extents;  // without gap from 0
  bool coarse = false;          // cells were needed
};

// Covers 0 to the size, or to the end of the last mapping while the size is not known. At most `max_extents`
// (1 or more) extents. At most three passes over the mappings, memory in proportion to `max_extents`. Cells
// are multiples of `page_size` bytes where that is possible.
Layout MakeLayout(const state::RegionTable& table, uint64_t page_size, size_t max_extents);

v1::LayoutExtent ToProto(const Extent& extent);

}  // namespace shmemd::convert
