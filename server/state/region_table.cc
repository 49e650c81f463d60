#include "server/state/region_table.h"

#include <algorithm>
#include <bit>
#include <iterator>
#include <limits>
#include <utility>

namespace shmemd::state {
namespace {

constexpr uint64_t kTop = std::numeric_limits<uint64_t>::max();

uint64_t SaturatingAdd(uint64_t left, uint64_t right) { return left > kTop - right ? kTop : left + right; }

// The last byte a request may cover is the one before `limit`.
bool FitsBelow(uint64_t limit, uint64_t offset, uint64_t len) {
  return offset <= limit && len <= limit - offset;
}

// The part of a mapping that an overlay left over. Its file may end behind it now.
Mapping Part(const Mapping& whole, uint64_t begin, uint64_t end) {
  Mapping part = whole;
  part.shm_offset = begin;
  part.len = end - begin;
  part.fd_offset = SaturatingAdd(whole.fd_offset, begin - whole.shm_offset);
  if (part.beyond_eof_bytes() == 0) part.oddities &= static_cast<uint16_t>(~kOddBeyondEof);
  return part;
}

}  // namespace

RegionTable::RegionTable(BackingPool& pool, uint8_t shmid) : pool_(&pool), shmid_(shmid) {}

RegionTable::~RegionTable() { Clear(); }

RegionTable::RegionTable(RegionTable&& other) noexcept
    : pool_(other.pool_),
      leaves_(std::move(other.leaves_)),
      largest_holes_(std::move(other.largest_holes_)),
      rare_(std::move(other.rare_)),
      totals_(std::exchange(other.totals_, {})),
      hole_bytes_(std::exchange(other.hole_bytes_, 0)),
      hole_count_(std::exchange(other.hole_count_, 0)),
      oddity_counts_(std::exchange(other.oddity_counts_, {})),
      size_bytes_(other.size_bytes_),
      shmid_(other.shmid_) {
  other.leaves_.clear();
  other.largest_holes_.clear();
  other.rare_.clear();
}

void RegionTable::SetSize(std::optional<uint64_t> size_bytes) {
  const uint64_t before = HoleLimit();
  size_bytes_ = size_bytes;
  if (leaves_.empty() || before == HoleLimit()) return;
  // Holes below both sizes stay as they are, and above both there are none.
  const uint64_t above = std::max(before, HoleLimit());
  auto leaf = LeafOf(std::min(before, HoleLimit()));
  for (; leaf != leaves_.end() && leaf->second.holes_from < above; ++leaf) MeasureHoles(leaf);
}

// Offsets of mappings that were checked are page multiples, so two of them share a page only if they share a
// byte, even where a len is not a page multiple: comparing bytes is enough.
RequestFailure RegionTable::CheckMap(const MapRequest& request, uint64_t page_size) const {
  const uint64_t limit = size_bytes_.value_or(kTop);
  if (request.fd_count == 0) return RequestFailure::kNoFd;
  if (request.fd_count > 1) return RequestFailure::kExtraFds;
  if (request.len == 0) return RequestFailure::kLenZero;
  if (!FitsBelow(limit, request.shm_offset, request.len)) return RequestFailure::kOutOfRange;
  if (!FitsBelow(kTop, request.fd_offset, request.len)) return RequestFailure::kOutOfRange;
  if (request.shm_offset % page_size != 0) return RequestFailure::kUnaligned;
  if (request.fd_offset % page_size != 0) return RequestFailure::kFdOffsetUnaligned;
  if (FirstOverlap(request.shm_offset, request.shm_offset + request.len) != nullptr)
    return RequestFailure::kOverlap;
  return RequestFailure::kNone;
}

RequestFailure RegionTable::CheckUnmap(const UnmapRequest& request) const {
  if (request.len == 0) return RequestFailure::kLenZero;
  const PackedMapping* mapping = StartingAt(request.shm_offset);
  if (mapping != nullptr && mapping->len == request.len) return RequestFailure::kNone;
  if (!FitsBelow(size_bytes_.value_or(kTop), request.shm_offset, request.len))
    return RequestFailure::kOutOfRange;
  const bool touches = FirstOverlap(request.shm_offset, request.shm_offset + request.len) != nullptr;
  return touches ? RequestFailure::kPartial : RequestFailure::kNotMapped;
}

RegionTable::Outcome RegionTable::Insert(const Mapping& mapping) {
  const uint64_t end = SaturatingAdd(mapping.shm_offset, mapping.len);
  if (end == mapping.shm_offset) return Outcome::kNothing;
  const Outcome outcome = RemoveOverlap(mapping.shm_offset, end);
  Mapping cut = mapping;
  cut.len = end - mapping.shm_offset;
  Add(cut);
  return outcome;
}

RegionTable::Outcome RegionTable::Erase(uint64_t shm_offset, uint64_t len) {
  if (const PackedMapping* mapping = StartingAt(shm_offset)) {
    const bool exact = mapping->end() == SaturatingAdd(shm_offset, len);
    Remove(shm_offset);
    return exact ? Outcome::kClean : Outcome::kPartial;
  }
  const uint64_t end = SaturatingAdd(shm_offset, len);
  if (end == shm_offset) return Outcome::kNothing;
  return RemoveOverlap(shm_offset, end) == Outcome::kClean ? Outcome::kNothing : Outcome::kPartial;
}

RegionTable::Outcome RegionTable::RemoveOverlap(uint64_t begin, uint64_t end) {
  Outcome outcome = Outcome::kClean;
  while (const PackedMapping* found = FirstOverlap(begin, end)) {
    const Mapping old = Unpack(*found);
    const bool stale = old.state == MappingState::kStale;
    if (!stale || outcome == Outcome::kReplaced) {
      outcome = Outcome::kReplaced;
    } else {
      outcome = Outcome::kReplacedStale;
    }
    Remove(old.shm_offset);
    const uint64_t old_end = old.shm_offset + old.len;
    if (old.shm_offset < begin) Add(Part(old, old.shm_offset, begin));
    if (old_end > end) Add(Part(old, end, old_end));
  }
  return outcome;
}

void RegionTable::Clear() {
  for (const auto& [key, leaf] : leaves_) {
    for (const PackedMapping& mapping : leaf.mappings) pool_->Release(mapping.backing);
  }
  leaves_.clear();
  largest_holes_.clear();
  rare_.clear();
  totals_ = {};
  hole_bytes_ = 0;
  hole_count_ = 0;
  oddity_counts_ = {};
}

void RegionTable::MarkAllStale() {
  for (auto& [key, leaf] : leaves_) {
    for (PackedMapping& mapping : leaf.mappings) {
      Account(mapping, false);
      mapping.state = static_cast<uint8_t>(MappingState::kStale);
      mapping.unmap_pending = 0;
      Account(mapping, true);
    }
  }
}

void RegionTable::SetUnmapPending(uint64_t shm_offset, bool pending) {
  if (PackedMapping* mapping = StartingAt(shm_offset)) mapping->unmap_pending = pending ? 1 : 0;
}

void RegionTable::SetInMemoryTable(uint64_t shm_offset, InMemoryTable in_memory_table) {
  PackedMapping* mapping = StartingAt(shm_offset);
  if (mapping == nullptr) return;
  mapping->in_memory_table = static_cast<uint8_t>(in_memory_table) & 3U;
  const bool stale = static_cast<MappingState>(mapping->state) == MappingState::kStale;
  if (!stale || in_memory_table != InMemoryTable::kYes) return;
  Account(*mapping, false);
  mapping->state = static_cast<uint8_t>(MappingState::kMapped);
  Account(*mapping, true);
}

void RegionTable::SetFileSize(uint64_t shm_offset, int64_t size_bytes) {
  PackedMapping* mapping = StartingAt(shm_offset);
  if (mapping == nullptr) return;
  base::FdFacts file = pool_->Get(mapping->backing);
  if (file.size_bytes == size_bytes) return;
  Account(*mapping, false);
  file.size_bytes = size_bytes;
  const BackingPool::Id before = std::exchange(mapping->backing, pool_->Intern(file));
  pool_->Release(before);
  const unsigned others = mapping->oddities & ~static_cast<unsigned>(kOddOfSize);
  mapping->oddities = static_cast<uint16_t>(others | SizeOddityOf(Unpack(*mapping)));
  Account(*mapping, true);
}

PackedMapping* RegionTable::StartingAt(uint64_t shm_offset) {
  return const_cast<PackedMapping*>(std::as_const(*this).StartingAt(shm_offset));
}

uint64_t RegionTable::free_bytes() const {
  const uint64_t last_end = LastEnd();
  return hole_bytes_ + (last_end < HoleLimit() ? HoleLimit() - last_end : 0);
}

uint64_t RegionTable::largest_hole_bytes() const {
  const uint64_t last_end = LastEnd();
  const uint64_t behind_last = last_end < HoleLimit() ? HoleLimit() - last_end : 0;
  return largest_holes_.empty() ? behind_last : std::max(behind_last, largest_holes_.rbegin()->first);
}

uint64_t RegionTable::hole_count() const { return hole_count_ + (LastEnd() < HoleLimit() ? 1 : 0); }

uint16_t RegionTable::oddities() const {
  unsigned odd = 0;
  for (int bit = 0; bit < kMappingOddityCount; ++bit) {
    if (oddity_counts_[static_cast<size_t>(bit)] > 0) odd |= 1U << bit;
  }
  return static_cast<uint16_t>(odd);
}

void RegionTable::ForEach(uint64_t from_offset, const std::function<bool(const Mapping&)>& visit) const {
  if (leaves_.empty()) return;
  auto leaf = LeafOf(from_offset);
  size_t index = leaf->second.LowerBound(from_offset);
  for (; leaf != leaves_.end(); ++leaf, index = 0) {
    for (; index < leaf->second.mappings.size(); ++index) {
      if (!visit(Unpack(leaf->second.mappings[index]))) return;
    }
  }
}

std::optional<Mapping> RegionTable::Find(uint64_t shm_offset) const { return FindOverlap(shm_offset, 1); }

std::optional<Mapping> RegionTable::FindOverlap(uint64_t shm_offset, uint64_t len) const {
  const uint64_t end = SaturatingAdd(shm_offset, len);
  const PackedMapping* found = end > shm_offset ? FirstOverlap(shm_offset, end) : nullptr;
  if (found == nullptr) return std::nullopt;
  return Unpack(*found);
}

}  // namespace shmemd::state
