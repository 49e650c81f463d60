// A region as an array of bytes, each with its owner: what a RegionTable must be equal to, written as simply
// as possible.
#pragma once

#include <absl/strings/str_cat.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "server/state/region_table.h"

namespace shmemd::state {

class ByteModel {
 public:
  static constexpr uint64_t kBytes = 2048;

  // Models the addresses from `base` on; with kTopBase, the end of the address space.
  static constexpr uint64_t kTopBase = UINT64_MAX - kBytes;
  explicit ByteModel(uint64_t base) : base_(base) {}

  void SetSize(std::optional<uint64_t> size_bytes) { size_bytes_ = size_bytes; }

  RegionTable::Outcome Insert(const Mapping& mapping) {
    const auto [begin, end] = Range(mapping.shm_offset, mapping.len);
    if (begin == end) return RegionTable::Outcome::kNothing;
    const RegionTable::Outcome outcome = OutcomeOfInsert(begin, end);
    originals_.push_back(mapping);
    for (uint64_t i = begin; i < end; ++i) owner_[i] = static_cast<int>(originals_.size());
    return outcome;
  }

  RegionTable::Outcome Erase(uint64_t shm_offset, uint64_t len) {
    auto [begin, end] = Range(shm_offset, len);
    if (StartsAt(begin)) {
      const uint64_t run_end = RunEnd(begin);
      const bool exact = run_end == end;
      std::fill(owner_.begin() + begin, owner_.begin() + run_end, 0);
      return exact ? RegionTable::Outcome::kClean : RegionTable::Outcome::kPartial;
    }
    const bool any =
        std::any_of(owner_.begin() + begin, owner_.begin() + end, [](int owner) { return owner != 0; });
    std::fill(owner_.begin() + begin, owner_.begin() + end, 0);
    return any ? RegionTable::Outcome::kPartial : RegionTable::Outcome::kNothing;
  }

  void Clear() { owner_.fill(0); }
  void MarkAllStale() {
    for (Mapping& mapping : originals_) {
      mapping.state = MappingState::kStale;
      mapping.unmap_pending = false;
    }
  }

  std::vector<Mapping> Mappings() const {
    std::vector<Mapping> mappings;
    for (uint64_t i = 0; i < kBytes; i = RunEnd(i)) {
      if (owner_[i] != 0) mappings.push_back(MappingOf(i));
    }
    return mappings;
  }

  // Empty if the table is equal in everything that can be seen, else what is not.
  std::string Difference(const RegionTable& table) const {
    const std::vector<Mapping> expected = Mappings();
    std::vector<Mapping> got;
    table.ForEach(0, [&](const Mapping& mapping) {
      got.push_back(mapping);
      return true;
    });
    for (size_t i = 0; i < std::max(expected.size(), got.size()); ++i) {
      if (i >= expected.size() || i >= got.size())
        return absl::StrCat("mappings: ", expected.size(), " but ", got.size());
      if (!(expected[i] == got[i]))
        return absl::StrCat("mapping ", i, " at ", absl::Hex(expected[i].shm_offset));
    }
    if (!(TotalsOf(expected) == table.totals())) return "totals";
    return HoleDifference(table);
  }

 private:
  using Outcome = RegionTable::Outcome;

  // Indices of the bytes of a range; what lies beyond the end of the array is beyond the end of the address
  // space.
  std::pair<uint64_t, uint64_t> Range(uint64_t shm_offset, uint64_t len) const {
    const uint64_t begin = std::min(shm_offset - base_, kBytes);
    return {begin, begin + std::min(len, kBytes - begin)};
  }
  bool StartsAt(uint64_t i) const {
    return i < kBytes && owner_[i] != 0 && (i == 0 || owner_[i - 1] != owner_[i]);
  }
  uint64_t RunEnd(uint64_t i) const {
    uint64_t end = i;
    while (end < kBytes && owner_[end] == owner_[i]) ++end;
    return end;
  }

  Outcome OutcomeOfInsert(uint64_t begin, uint64_t end) const {
    Outcome outcome = Outcome::kClean;
    for (uint64_t i = begin; i < end; ++i) {
      if (owner_[i] == 0) continue;
      if (originals_[static_cast<size_t>(owner_[i] - 1)].state != MappingState::kStale)
        return Outcome::kReplaced;
      outcome = Outcome::kReplacedStale;
    }
    return outcome;
  }

  Mapping MappingOf(uint64_t begin) const {
    const Mapping& original = originals_[static_cast<size_t>(owner_[begin] - 1)];
    Mapping mapping = original;
    mapping.shm_offset = base_ + begin;
    mapping.len = RunEnd(begin) - begin;
    const uint64_t cut = mapping.shm_offset - original.shm_offset;
    mapping.fd_offset = original.fd_offset > UINT64_MAX - cut ? UINT64_MAX : original.fd_offset + cut;
    const bool whole = cut == 0 && mapping.len == std::min(original.len, UINT64_MAX - original.shm_offset);
    if (!whole && mapping.beyond_eof_bytes() == 0) mapping.oddities &= static_cast<uint16_t>(~kOddBeyondEof);
    return mapping;
  }

  static RegionTotals TotalsOf(const std::vector<Mapping>& mappings) {
    RegionTotals totals;
    for (const Mapping& mapping : mappings) {
      ++totals.mapping_count;
      if (mapping.state == MappingState::kStale) {
        totals.stale_bytes += mapping.len;
        totals.at_risk_bytes += mapping.len;
        continue;
      }
      totals.mapped_bytes += mapping.len;
      if (mapping.state == MappingState::kAssumed) totals.assumed_bytes += mapping.len;
      if (mapping.writable()) totals.writable_bytes += mapping.len;
      totals.at_risk_bytes += mapping.beyond_eof_bytes();
    }
    return totals;
  }

  std::string HoleDifference(const RegionTable& table) const {
    uint64_t count = 0;
    uint64_t largest = 0;
    uint64_t bytes = 0;
    // Of addresses outside of the array all are free.
    const uint64_t size = size_bytes_.value_or(0);
    uint64_t from = 0;
    const auto hole = [&](uint64_t end) {
      end = std::min(end, size);
      if (end <= from) return;
      ++count;
      largest = std::max(largest, end - from);
      bytes += end - from;
    };
    for (const Mapping& mapping : Mappings()) {
      hole(mapping.shm_offset);
      from = mapping.shm_offset + mapping.len;
    }
    hole(size);
    if (table.hole_count() != count) return absl::StrCat("holes: ", count, " but ", table.hole_count());
    if (table.largest_hole_bytes() != largest) {
      return absl::StrCat("largest hole: ", largest, " but ", table.largest_hole_bytes());
    }
    if (table.free_bytes() != bytes) return absl::StrCat("free: ", bytes, " but ", table.free_bytes());
    return {};
  }

  uint64_t base_;
  std::array<int, kBytes> owner_{};  // 1 + index into `originals_`; 0: nobody
  std::vector<Mapping> originals_;
  std::optional<uint64_t> size_bytes_;
};

}  // namespace shmemd::state
