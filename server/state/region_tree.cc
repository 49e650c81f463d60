// The tree below RegionTable: where a mapping lies, how leaves split and merge, how totals and holes follow.
#include <algorithm>
#include <bit>
#include <iterator>
#include <limits>
#include <utility>

#include "server/state/region_table.h"

namespace shmemd::state {

RegionTable::Leaves::iterator RegionTable::LeafOf(uint64_t shm_offset) {
  return std::prev(leaves_.upper_bound(shm_offset));
}

RegionTable::Leaves::const_iterator RegionTable::LeafOf(uint64_t shm_offset) const {
  return std::prev(leaves_.upper_bound(shm_offset));
}

const PackedMapping* RegionTable::StartingAt(uint64_t shm_offset) const {
  if (leaves_.empty()) return nullptr;
  const MappingLeaf& leaf = LeafOf(shm_offset)->second;
  const size_t index = leaf.LowerBound(shm_offset);
  if (index == leaf.mappings.size() || leaf.mappings[index].shm_offset != shm_offset) return nullptr;
  return &leaf.mappings[index];
}

const PackedMapping* RegionTable::FirstOverlap(uint64_t begin, uint64_t end) const {
  if (leaves_.empty()) return nullptr;
  const auto leaf = LeafOf(begin);
  const size_t index = leaf->second.LowerBound(begin);
  const PackedMapping* before = nullptr;
  if (index > 0) {
    before = &leaf->second.mappings[index - 1];
  } else if (leaf != leaves_.begin()) {
    before = &std::prev(leaf)->second.mappings.back();
  }
  if (before != nullptr && before->end() > begin) return before;

  const PackedMapping* after = nullptr;
  if (index < leaf->second.mappings.size()) {
    after = &leaf->second.mappings[index];
  } else if (const auto next = std::next(leaf); next != leaves_.end()) {
    after = &next->second.mappings.front();
  }
  return after != nullptr && after->shm_offset < end ? after : nullptr;
}

// `mapping` overlaps nothing.
void RegionTable::Add(const Mapping& mapping) {
  const PackedMapping packed = Pack(mapping);
  Account(packed, true);
  RoomyLeafOf(packed.shm_offset)->second.Insert(packed);
  MeasureHolesAround(packed.shm_offset);
}

// A mapping starts at `shm_offset`.
void RegionTable::Remove(uint64_t shm_offset) {
  const auto leaf = LeafOf(shm_offset);
  const size_t index = leaf->second.LowerBound(shm_offset);
  const PackedMapping& packed = leaf->second.mappings[index];
  Account(packed, false);
  if (packed.rare != 0) rare_.erase(shm_offset);
  pool_->Release(packed.backing);
  leaf->second.Erase(index);
  if (leaf->second.mappings.empty()) {
    DropEmptyLeaf(leaf);
  } else if (!MergeWithNext(leaf) && leaf != leaves_.begin()) {
    MergeWithNext(std::prev(leaf));
  }
  MeasureHolesAround(shm_offset);
}

// The leaf that is responsible for an offset, with room for one mapping more.
RegionTable::Leaves::iterator RegionTable::RoomyLeafOf(uint64_t shm_offset) {
  if (leaves_.empty()) return leaves_.try_emplace(0).first;
  const auto leaf = LeafOf(shm_offset);
  if (leaf->second.mappings.size() < MappingLeaf::kMaxMappings) return leaf;
  // Maps that come in order fill their leaves instead of leaving each half full.
  if (std::next(leaf) == leaves_.end() && shm_offset > leaf->second.mappings.back().shm_offset) {
    return leaves_.try_emplace(shm_offset).first;
  }
  MappingLeaf upper = leaf->second.SplitOff();
  const uint64_t key = upper.mappings.front().shm_offset;
  MeasureHoles(leaf);
  MeasureHoles(leaves_.try_emplace(key, std::move(upper)).first);
  return LeafOf(shm_offset);
}

void RegionTable::DropEmptyLeaf(Leaves::iterator leaf) {
  ForgetHoles(leaf);
  const bool was_first = leaf == leaves_.begin();
  leaves_.erase(leaf);
  if (!was_first || leaves_.empty()) return;
  // The first leaf is responsible from 0 on.
  const auto first = leaves_.begin();
  ForgetHoles(first);
  MappingLeaf moved = std::move(first->second);
  leaves_.erase(first);
  leaves_.try_emplace(0, std::move(moved));
}

// True if done: iterators are void then. Half a leaf of both together leaves room to grow before the next
// split.
bool RegionTable::MergeWithNext(Leaves::iterator leaf) {
  const auto next = std::next(leaf);
  if (next == leaves_.end()) return false;
  std::vector<PackedMapping>& low = leaf->second.mappings;
  const std::vector<PackedMapping>& high = next->second.mappings;
  if (low.size() + high.size() > MappingLeaf::kMaxMappings / 2) return false;
  low.reserve(low.size() + high.size());
  low.insert(low.end(), high.begin(), high.end());
  const uint64_t key = leaf->first;
  ForgetHoles(next);
  leaves_.erase(next);
  MeasureHoles(LeafOf(key));
  return true;
}

void RegionTable::ForgetHoles(Leaves::iterator leaf) {
  HoleSummary& holes = leaf->second.holes;
  if (holes.largest > 0) largest_holes_.erase({holes.largest, leaf->first});
  hole_bytes_ -= holes.bytes;
  hole_count_ -= holes.count;
  holes = {};
}

void RegionTable::MeasureHoles(Leaves::iterator leaf) {
  const uint64_t from = leaf == leaves_.begin() ? 0 : std::prev(leaf)->second.mappings.back().end();
  ForgetHoles(leaf);
  const HoleSummary holes = leaf->second.MeasureHoles(from, HoleLimit());
  if (holes.largest > 0) largest_holes_.insert({holes.largest, leaf->first});
  hole_bytes_ += holes.bytes;
  hole_count_ += holes.count;
  leaf->second.holes = holes;
  leaf->second.holes_from = from;
}

// After a change at `shm_offset`: the holes of its leaf, and of the next one if it begins elsewhere now.
void RegionTable::MeasureHolesAround(uint64_t shm_offset) {
  if (leaves_.empty()) return;
  const auto leaf = LeafOf(shm_offset);
  MeasureHoles(leaf);
  const auto next = std::next(leaf);
  if (next != leaves_.end() && next->second.holes_from != leaf->second.mappings.back().end())
    MeasureHoles(next);
}

void RegionTable::Account(const PackedMapping& mapping, bool add) {
  // Sums of lengths fit into 64 bits, see the header; subtracting is adding the complement.
  const auto count = [add](uint64_t& total, uint64_t amount) {
    total += add ? amount : uint64_t{0} - amount;
  };
  count(totals_.mapping_count, 1);
  const auto state = static_cast<MappingState>(mapping.state);
  if (state == MappingState::kStale) {
    count(totals_.stale_bytes, mapping.len);
    count(totals_.at_risk_bytes, mapping.len);
  } else {
    count(totals_.mapped_bytes, mapping.len);
    if (state == MappingState::kAssumed) count(totals_.assumed_bytes, mapping.len);
    if (mapping.writable != 0) count(totals_.writable_bytes, mapping.len);
    count(totals_.at_risk_bytes, BeyondEofBytes(pool_->Get(mapping.backing), mapping.fd_offset, mapping.len));
  }
  for (unsigned odd = mapping.oddities; odd != 0; odd &= odd - 1) {
    count(oddity_counts_[static_cast<size_t>(std::countr_zero(odd))], 1);
  }
}

PackedMapping RegionTable::Pack(const Mapping& mapping) {
  PackedMapping packed;
  packed.shm_offset = mapping.shm_offset;
  packed.len = mapping.len;
  packed.fd_offset = mapping.fd_offset;
  packed.request_time_ns = mapping.request_time_ns;
  packed.sequence = mapping.sequence;
  packed.backing = pool_->Intern(mapping.fd);
  packed.epoch = mapping.epoch;
  packed.oddities = static_cast<uint16_t>(mapping.oddities & ((1U << kMappingOddityCount) - 1));
  packed.state = static_cast<uint8_t>(mapping.state) & 3U;
  packed.in_memory_table = static_cast<uint8_t>(mapping.in_memory_table) & 3U;
  packed.unmap_pending = mapping.unmap_pending ? 1 : 0;
  packed.writable = mapping.writable() ? 1 : 0;

  const bool latency_fits =
      mapping.ack_latency_ns >= 0 && mapping.ack_latency_ns < PackedMapping::kNoAckLatency;
  if (latency_fits) packed.ack_latency_ns = static_cast<uint32_t>(mapping.ack_latency_ns);
  if ((mapping.flags & ~kMapFlagReadWrite) != 0 || (!latency_fits && mapping.ack_latency_ns != -1)) {
    packed.rare = 1;
    rare_[mapping.shm_offset] = {mapping.flags, mapping.ack_latency_ns};
  }
  return packed;
}

Mapping RegionTable::Unpack(const PackedMapping& packed) const {
  Mapping mapping;
  mapping.shm_offset = packed.shm_offset;
  mapping.len = packed.len;
  mapping.fd_offset = packed.fd_offset;
  mapping.flags = packed.writable != 0 ? kMapFlagReadWrite : 0;
  mapping.fd = pool_->Get(packed.backing);
  mapping.request_time_ns = packed.request_time_ns;
  if (packed.ack_latency_ns != PackedMapping::kNoAckLatency) mapping.ack_latency_ns = packed.ack_latency_ns;
  mapping.sequence = packed.sequence;
  mapping.epoch = packed.epoch;
  mapping.oddities = packed.oddities;
  mapping.shmid = shmid_;
  mapping.state = static_cast<MappingState>(packed.state);
  mapping.in_memory_table = static_cast<InMemoryTable>(packed.in_memory_table);
  mapping.unmap_pending = packed.unmap_pending != 0;
  if (packed.rare != 0) {
    const RareFields& rare = rare_.find(packed.shm_offset)->second;
    mapping.flags = rare.flags;
    mapping.ack_latency_ns = rare.ack_latency_ns;
  }
  return mapping;
}

uint64_t RegionTable::LastEnd() const {
  return leaves_.empty() ? 0 : leaves_.rbegin()->second.mappings.back().end();
}

}  // namespace shmemd::state
