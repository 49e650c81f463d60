#include "server/state/mapping_leaf.h"

#include <algorithm>

namespace shmemd::state {
namespace {

// Vectors grow and shrink in small steps instead of doubling: what a table allocates is what it needs.
constexpr size_t kGrowth = 4;
constexpr size_t kShrinkAt = 4 * kGrowth;

}  // namespace

size_t MappingLeaf::LowerBound(uint64_t shm_offset) const {
  const auto found = std::lower_bound(
      mappings.begin(), mappings.end(), shm_offset,
      [](const PackedMapping& mapping, uint64_t offset) { return mapping.shm_offset < offset; });
  return static_cast<size_t>(found - mappings.begin());
}

void MappingLeaf::Insert(const PackedMapping& mapping) {
  if (mappings.size() == mappings.capacity()) mappings.reserve(mappings.size() + kGrowth);
  mappings.insert(mappings.begin() + static_cast<ptrdiff_t>(LowerBound(mapping.shm_offset)), mapping);
}

void MappingLeaf::Erase(size_t index) {
  mappings.erase(mappings.begin() + static_cast<ptrdiff_t>(index));
  if (mappings.capacity() - mappings.size() >= kShrinkAt) mappings.shrink_to_fit();
}

MappingLeaf MappingLeaf::SplitOff() {
  MappingLeaf upper;
  const auto middle = mappings.begin() + static_cast<ptrdiff_t>(mappings.size() / 2);
  upper.mappings.assign(middle, mappings.end());
  mappings.erase(middle, mappings.end());
  mappings.shrink_to_fit();
  return upper;
}

HoleSummary MappingLeaf::MeasureHoles(uint64_t from, uint64_t region_size_bytes) const {
  HoleSummary found;
  for (const PackedMapping& mapping : mappings) {
    if (from >= region_size_bytes) break;
    const uint64_t hole_end = std::min(mapping.shm_offset, region_size_bytes);
    if (hole_end > from) {
      found.largest = std::max(found.largest, hole_end - from);
      found.bytes += hole_end - from;
      ++found.count;
    }
    from = mapping.end();
  }
  return found;
}

}  // namespace shmemd::state
