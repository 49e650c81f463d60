#include "server/session/memory_table.h"

#include <algorithm>
#include <cstring>
#include <optional>

namespace shmemd::session {
namespace {

using vhost::MemoryRegion;
using vhost::MemoryTableHeader;

template <typename T>
T ReadAt(std::span<const uint8_t> payload, size_t offset) {
  T value;
  std::memcpy(&value, payload.data() + offset, sizeof(value));
  return value;
}

std::optional<MemoryRegion> ReadSingle(std::span<const uint8_t> payload) {
  if (payload.size() < sizeof(vhost::SingleMemoryRegion)) return std::nullopt;
  return ReadAt<vhost::SingleMemoryRegion>(payload, 0).region;
}

bool SameAddresses(const MemoryRegion& left, const MemoryRegion& right) {
  return left.guest_address == right.guest_address && left.user_address == right.user_address &&
         left.size_bytes == right.size_bytes;
}

}  // namespace

bool MemoryTable::Replace(std::span<const uint8_t> payload, std::span<const base::FdFacts> fds) {
  if (payload.size() < sizeof(MemoryTableHeader)) return false;
  const uint64_t count = ReadAt<MemoryTableHeader>(payload, 0).num_regions;
  const size_t body_bytes = payload.size() - sizeof(MemoryTableHeader);
  // XEN_MMAP makes every region longer; a fixed array of eight that is partly used is fine.
  const bool xen = count > 0 && body_bytes == count * sizeof(vhost::XenMemoryRegion);
  const size_t stride = xen ? sizeof(vhost::XenMemoryRegion) : sizeof(MemoryRegion);
  if (body_bytes < count * stride) return false;
  Clear();
  known_ = true;
  for (uint64_t i = 0; i < count; ++i) {
    Append(ReadAt<MemoryRegion>(payload, sizeof(MemoryTableHeader) + i * stride),
           i < fds.size() ? &fds[i] : nullptr);
  }
  return true;
}

bool MemoryTable::Add(std::span<const uint8_t> payload, std::span<const base::FdFacts> fds) {
  const std::optional<MemoryRegion> wire = ReadSingle(payload);
  if (!wire) return false;
  Region replaced;
  Remove(payload, &replaced);
  known_ = true;
  piecewise_ = true;
  Append(*wire, fds.empty() ? nullptr : fds.data());
  return true;
}

bool MemoryTable::Remove(std::span<const uint8_t> payload, Region* removed) {
  const std::optional<MemoryRegion> wire = ReadSingle(payload);
  if (!wire) return false;
  piecewise_ = true;
  const auto end = regions_.begin() + count_;
  const auto found = std::find_if(regions_.begin(), end,
                                  [&](const Region& region) { return SameAddresses(region.wire, *wire); });
  if (found == end) return true;
  *removed = *found;
  --count_;
  *found = regions_[count_];
  return true;
}

void MemoryTable::Clear() {
  count_ = 0;
  known_ = false;
  piecewise_ = false;
  overflowed_ = false;
}

bool MemoryTable::complete() const {
  const auto all = regions();
  return known_ && !overflowed_ &&
         std::all_of(all.begin(), all.end(), [](const Region& region) { return region.inode != 0; });
}

const MemoryTable::Region* MemoryTable::Showing(const state::Mapping& mapping) const {
  const auto all = regions();
  const auto found =
      std::find_if(all.begin(), all.end(), [&](const Region& region) { return region.Shows(mapping); });
  return found == all.end() ? nullptr : &*found;
}

void MemoryTable::Append(const MemoryRegion& wire, const base::FdFacts* fd) {
  if (count_ == kMost) {
    overflowed_ = true;
    return;
  }
  regions_[count_] =
      fd == nullptr ? Region{.wire = wire} : Region{wire, fd->device, fd->inode, fd->size_bytes};
  ++count_;
}

}  // namespace shmemd::session
