// The shared memory regions of a demo VMM and what its back-end has mapped into them. Thread-safe: the VMM's
// thread changes it, a test looks.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>
#include <utility>
#include <vector>

#include "tests/peers/fd.h"
#include "tests/peers/script.h"
#include "tests/peers/vmm_script.h"
#include "tests/peers/wire.h"

namespace shmemd::peers {

// The payload of a SHMEM_MAP or SHMEM_UNMAP; what a short one leaves out is 0.
struct VmmRange {
  uint8_t shmid = 0;
  uint64_t fd_offset = 0;
  uint64_t shm_offset = 0;
  uint64_t len = 0;
  uint64_t flags = 0;

  static VmmRange Of(const Bytes& payload);
};

struct VmmMapping {
  uint8_t shmid = 0;
  uint64_t shm_offset = 0;
  uint64_t len = 0;
  uint64_t fd_offset = 0;
  uint64_t flags = 0;
  dev_t device = 0;
  ino_t inode = 0;

  bool operator==(const VmmMapping&) const = default;
};

// Memory of this process that is a part of a file.
class MappedMemory {
 public:
  MappedMemory() = default;
  // Read and write; without an address, and errno set, when the system refuses.
  MappedMemory(int fd, uint64_t offset, uint64_t size);
  ~MappedMemory();
  MappedMemory(MappedMemory&& other) noexcept
      : address_(std::exchange(other.address_, nullptr)), size_(other.size_) {}
  MappedMemory& operator=(MappedMemory&&) = delete;

  void* address() const { return address_; }

 private:
  void* address_ = nullptr;
  uint64_t size_ = 0;
};

class VmmWindow {
 public:
  // Forgets the mappings of the regions before.
  void SetRegions(Regions regions);

  // 0, or an errno. The rules are those of QEMU 11.1: nothing may lie there, the file must be long enough (an
  // empty one is made so), opened for writing, and mapped from a page boundary on.
  int Map(const VmmRange& range, Fd file);
  int Unmap(const VmmRange& range, VmmAnswers::Unmap match);
  // All of them; how many there were.
  size_t Clear();

  // By shmid and shm_offset.
  std::vector<VmmMapping> mappings() const;
  size_t mapping_count() const;

  // Where a mapping shows in guest memory, and its file (borrowed, valid until it is unmapped): what a memory
  // table says.
  struct Slot {
    uint64_t guest_address = 0;
    uint64_t size = 0;
    uint64_t user_address = 0;
    uint64_t file_offset = 0;
    ino_t inode = 0;
    int fd = -1;
  };
  std::vector<Slot> Slots() const;

 private:
  struct Live {
    VmmMapping mapping;
    Fd file;
    MappedMemory memory;
  };
  using Key = std::pair<uint8_t, uint64_t>;  // shmid and shm_offset

  bool IsInside(const VmmRange& range) const;
  bool IsFree(const VmmRange& range) const;

  mutable std::mutex mutex_;
  Regions regions_;
  std::map<uint8_t, uint64_t> guest_addresses_;
  std::map<Key, Live> live_;
};

}  // namespace shmemd::peers
