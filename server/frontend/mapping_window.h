// The address space of one region: reserved without access, and filled with the mappings that its back-end
// asks for.
//
// Owned by a session, used on the loop's thread. The bytes are never touched: a mapping beyond the end of its
// file, or one whose file is cut short later, costs nothing as long as nobody reads it. Not in core dumps.
//
// Only a memfd of plain pages is really mapped. Of every other file it is checked that it could be, and that
// is all: nobody reads the bytes, and mmap would not be harmless. The kernel rounds a mapping of huge pages
// up to their size, with MAP_FIXED over whatever lies behind the window; and it writes the pages of a file
// back when a mapping goes, which waits for the daemon behind a FUSE file, and with us would wait all
// back-ends.
#pragma once

#include <absl/status/statusor.h>

#include <cstddef>
#include <cstdint>

#include "server/base/fd_facts.h"

namespace shmemd::frontend {

class MappingWindow {
 public:
  // Reserves `size_bytes` (not 0), rounded up to pages. An errno on failure.
  static absl::StatusOr<MappingWindow> Reserve(uint64_t size_bytes, uint64_t page_size);

  ~MappingWindow();
  MappingWindow(MappingWindow&& other) noexcept;
  MappingWindow& operator=(MappingWindow&& other) = delete;
  MappingWindow(const MappingWindow&) = delete;
  MappingWindow& operator=(const MappingWindow&) = delete;

  // Maps `len` bytes of `fd` (borrowed, `facts` were read from it) shared at `shm_offset`; readable, and
  // writable if told so. 0, or the errno of mmap: EINVAL when the range does not fit the window or an offset
  // is no multiple of the file's pages, EACCES when `fd` was opened for less, ENODEV for what is no memory.
  // `len` is rounded up to pages.
  int Map(int fd, const base::FdFacts& facts, uint64_t fd_offset, uint64_t shm_offset, uint64_t len,
          bool writable);
  // Takes the access away again. 0, or an errno.
  int Unmap(uint64_t shm_offset, uint64_t len);

  uint64_t size_bytes() const { return size_bytes_; }  // rounded up

 private:
  MappingWindow(char* base, uint64_t size_bytes, uint64_t page_size)
      : base_(base), size_bytes_(size_bytes), page_size_(page_size) {}
  bool Fits(uint64_t shm_offset, uint64_t len) const;
  uint64_t RoundUp(uint64_t bytes) const { return (bytes + page_size_ - 1) / page_size_ * page_size_; }

  char* base_ = nullptr;
  uint64_t size_bytes_ = 0;
  uint64_t page_size_ = 0;
};

}  // namespace shmemd::frontend
