// The memory regions that a front-end has told its back-end of: SET_MEM_TABLE replaces them, ADD_MEM_REG and
// REM_MEM_REG change them. A mapping of a region shows up here once the VMM has put it into the guest's
// memory.
//
// Plain value, bounded; any thread, one at a time. Hostile payloads are refused whole.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "server/base/fd_facts.h"
#include "server/state/mapping.h"
#include "server/vhost/payload.h"

namespace shmemd::session {

class MemoryTable {
 public:
  // Beyond that the table is not complete(): QEMU and rust-vmm negotiate up to 509 slots.
  static constexpr size_t kMost = 256;

  struct Region {
    vhost::MemoryRegion wire;
    uint64_t device = 0;
    uint64_t inode = 0;            // 0: not known
    int64_t file_size_bytes = -1;  // -1: not known

    // A mapping is told by its file and where in it (QEMU sends a duplicate of the descriptor, and the
    // mapping's fd_offset as mmap offset).
    bool Shows(const state::Mapping& mapping) const {
      return inode != 0 && inode == mapping.fd.inode && device == mapping.fd.device &&
             wire.mmap_offset == mapping.fd_offset;
    }
  };

  // False, and nothing is changed: the payload cannot be read. `fds`: facts of the descriptors, one a region.
  bool Replace(std::span<const uint8_t> payload, std::span<const base::FdFacts> fds);
  bool Add(std::span<const uint8_t> payload, std::span<const base::FdFacts> fds);
  // A region is removed by its addresses; one that is not there changes nothing, and `removed` stays as it
  // is.
  bool Remove(std::span<const uint8_t> payload, Region* removed);
  void Clear();

  // Something was told at all.
  bool known() const { return known_; }
  // It was told piece by piece: the last message alone does not say what it holds.
  bool piecewise() const { return piecewise_; }
  // All regions are here with the identity of their file: what is not here is not in the VMM's table.
  bool complete() const;
  // The region that was added last; nullptr: there was no room for it.
  const Region* newest() const { return overflowed_ || count_ == 0 ? nullptr : &regions_[count_ - 1U]; }
  std::span<const Region> regions() const { return {regions_.data(), count_}; }
  // The region that shows a mapping; nullptr: none does. Valid until the next change.
  const Region* Showing(const state::Mapping& mapping) const;

 private:
  void Append(const vhost::MemoryRegion& wire, const base::FdFacts* fd);

  std::array<Region, kMost> regions_{};
  uint16_t count_ = 0;
  bool known_ = false;
  bool piecewise_ = false;
  bool overflowed_ = false;
};

}  // namespace shmemd::session
