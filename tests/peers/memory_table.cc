#include "tests/peers/memory_table.h"

#include <algorithm>

#include "tests/peers/backing.h"
#include "tests/peers/units.h"

namespace shmemd::peers {
namespace {

constexpr size_t kMaxTableRegions = 8;

bool IsSame(const VmmWindow::Slot& a, const VmmWindow::Slot& b) {
  return a.guest_address == b.guest_address && a.size == b.size && a.file_offset == b.file_offset &&
         a.inode == b.inode;
}

bool HasSame(const std::vector<VmmWindow::Slot>& slots, const VmmWindow::Slot& slot) {
  return std::any_of(slots.begin(), slots.end(), [&](const auto& other) { return IsSame(other, slot); });
}

void PutRegion(Bytes& payload, const VmmWindow::Slot& slot) {
  Put<uint64_t>(payload, slot.guest_address);
  Put<uint64_t>(payload, slot.size);
  Put<uint64_t>(payload, slot.user_address);
  Put<uint64_t>(payload, slot.file_offset);
}

Bytes SingleRegion(const VmmWindow::Slot& slot) {
  Bytes payload = U64Payload(0);
  PutRegion(payload, slot);
  return payload;
}

}  // namespace

MemoryTable::MemoryTable(const VmmScript* script, const VmmWindow* window, Transcript* transcript)
    : script_(script),
      window_(window),
      transcript_(transcript),
      ram_(MakeBacking(BackingKind::kMemfd, script->ram_bytes)),
      ram_memory_(ram_.get(), 0, script->ram_bytes) {}

std::vector<VmmWindow::Slot> MemoryTable::Regions() const {
  std::vector<Slot> regions = {
      {0, script_->ram_bytes, reinterpret_cast<uint64_t>(ram_memory_.address()), 0, 0, ram_.get()}};
  if (script_->echo == MemoryEcho::kNone) return regions;
  const std::vector<Slot> mappings = window_->Slots();
  regions.insert(regions.end(), mappings.begin(), mappings.end());
  return regions;
}

bool MemoryTable::Show(MainChannel& main, bool has_mem_slots) {
  const bool is_slotted =
      script_->echo == MemoryEcho::kSlots || (has_mem_slots && script_->echo != MemoryEcho::kTable);
  return is_slotted ? SendDifference(main, Regions()) : SendTable(main, Regions());
}

bool MemoryTable::SendTable(MainChannel& main, const std::vector<Slot>& regions) {
  if (regions.size() > kMaxTableRegions) {
    transcript_->Add("memory table is full: " + std::to_string(regions.size()) + " regions, not sent");
    return true;
  }
  Bytes payload;
  Put<uint32_t>(payload, static_cast<uint32_t>(regions.size()));
  Put<uint32_t>(payload, 0);
  std::vector<int> fds;
  for (const Slot& region : regions) {
    PutRegion(payload, region);
    fds.push_back(region.fd);
  }
  transcript_->Add("SET_MEM_TABLE with " + std::to_string(regions.size()) + " regions");
  return main.Request(kSetMemTable, payload, fds);
}

bool MemoryTable::SendDifference(MainChannel& main, const std::vector<Slot>& regions) {
  for (auto slot = shown_.begin(); slot != shown_.end();) {
    if (HasSame(regions, *slot)) {
      ++slot;
      continue;
    }
    transcript_->Add("REM_MEM_REG " + Hex(slot->guest_address));
    if (!main.Request(kRemMemReg, SingleRegion(*slot))) return false;
    slot = shown_.erase(slot);
  }
  for (const Slot& slot : regions) {
    if (HasSame(shown_, slot)) continue;
    transcript_->Add("ADD_MEM_REG " + Hex(slot.guest_address));
    if (!main.Request(kAddMemReg, SingleRegion(slot), {slot.fd})) return false;
    shown_.push_back(slot);
  }
  return true;
}

}  // namespace shmemd::peers
