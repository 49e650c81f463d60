// The guest memory of a demo VMM as its back-end is told of it: RAM, and (as QEMU does) each mapping of a
// window as one more region with a descriptor of the same file.
//
// Owned by a VMM's session, used on its thread.
#pragma once

#include <cstdint>
#include <vector>

#include "tests/peers/fd.h"
#include "tests/peers/main_channel.h"
#include "tests/peers/transcript.h"
#include "tests/peers/vmm_script.h"
#include "tests/peers/vmm_window.h"

namespace shmemd::peers {

class MemoryTable {
 public:
  // All outlive it.
  MemoryTable(const VmmScript* script, const VmmWindow* window, Transcript* transcript);

  // Tells the back-end what it does not know yet, and waits for the ack where one is asked for. False when
  // the back-end is gone or refuses. More than 8 regions do not fit into SET_MEM_TABLE: then nothing is sent.
  bool Show(MainChannel& main, bool has_mem_slots);

 private:
  using Slot = VmmWindow::Slot;
  std::vector<Slot> Regions() const;
  bool SendTable(MainChannel& main, const std::vector<Slot>& regions);
  bool SendDifference(MainChannel& main, const std::vector<Slot>& regions);

  const VmmScript* script_;
  const VmmWindow* window_;
  Transcript* transcript_;
  Fd ram_;
  MappedMemory ram_memory_;
  std::vector<Slot> shown_;  // with slots; without their descriptors
};

}  // namespace shmemd::peers
