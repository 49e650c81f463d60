#include "server/frontend/mapping_window.h"

#include <absl/strings/str_cat.h>
#include <sys/mman.h>
#include <sys/statfs.h>

#include <cerrno>
#include <limits>
#include <utility>

#include "server/base/posix_error.h"

namespace shmemd::frontend {
namespace {

using base::FdAccess;
using base::FdFacts;
using base::FdKind;

constexpr int kReserveFlags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;

// Nothing but plain pages of the kernel's memory: nobody to wait for, and no page larger than the window's.
bool MapsForReal(const FdFacts& facts) { return facts.seals_known && facts.kind == FdKind::kMemfd; }

// What mmap would say to a shared mapping of the file, in mmap's order.
int CheckFile(const FdFacts& facts, bool writable) {
  if (facts.access == FdAccess::kUnknown) return EBADF;
  if (facts.access == FdAccess::kWriteOnly) return EACCES;
  if (writable && facts.access != FdAccess::kReadWrite) return EACCES;
  switch (facts.kind) {
    case FdKind::kMemfd:
    case FdKind::kHugetlb:
    case FdKind::kDmaBuf:
    case FdKind::kFile:
    case FdKind::kDevice:
      return 0;
    case FdKind::kUnknown:
    case FdKind::kOther:
      break;
  }
  return ENODEV;  // a pipe, a socket, a directory
}

// The file's page size if they are huge ones, else 1. Huge pages live in the kernel: asking cannot block.
uint64_t HugePageSize(int fd, const FdFacts& facts) {
  struct statfs file_system {};
  if (facts.kind != FdKind::kHugetlb || fstatfs(fd, &file_system) != 0) return 1;
  return file_system.f_bsize > 0 ? static_cast<uint64_t>(file_system.f_bsize) : 1;
}

}  // namespace

absl::StatusOr<MappingWindow> MappingWindow::Reserve(uint64_t size_bytes, uint64_t page_size) {
  if (size_bytes == 0 || size_bytes > std::numeric_limits<int64_t>::max() - page_size) {
    return absl::InvalidArgumentError(
        absl::StrCat("window: expected a size that can be mapped, got ", size_bytes));
  }
  const uint64_t rounded = (size_bytes + page_size - 1) / page_size * page_size;
  void* base = mmap(nullptr, rounded, PROT_NONE, kReserveFlags, -1, 0);
  if (base == MAP_FAILED) {
    return base::PosixError(errno, absl::StrCat("reserve a window of ", rounded, " bytes"));
  }
  madvise(base, rounded, MADV_DONTDUMP);
  return MappingWindow(static_cast<char*>(base), rounded, page_size);
}

MappingWindow::~MappingWindow() {
  if (base_ != nullptr) munmap(base_, size_bytes_);
}

MappingWindow::MappingWindow(MappingWindow&& other) noexcept
    : base_(std::exchange(other.base_, nullptr)),
      size_bytes_(other.size_bytes_),
      page_size_(other.page_size_) {}

bool MappingWindow::Fits(uint64_t shm_offset, uint64_t len) const {
  return len != 0 && shm_offset % page_size_ == 0 && shm_offset <= size_bytes_ &&
         len <= size_bytes_ - shm_offset;
}

int MappingWindow::Map(int fd, const FdFacts& facts, uint64_t fd_offset, uint64_t shm_offset, uint64_t len,
                       bool writable) {
  if (!Fits(shm_offset, len) || fd_offset % page_size_ != 0 ||
      fd_offset > static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) {
    return EINVAL;
  }
  if (!MapsForReal(facts)) {
    if (const int error_number = CheckFile(facts, writable); error_number != 0) return error_number;
    return (fd_offset | shm_offset) % HugePageSize(fd, facts) == 0 ? 0 : EINVAL;
  }
  const int protection = PROT_READ | (writable ? PROT_WRITE : 0);
  void* at = mmap(base_ + shm_offset, RoundUp(len), protection, MAP_SHARED | MAP_FIXED | MAP_NORESERVE, fd,
                  static_cast<off_t>(fd_offset));
  if (at == MAP_FAILED) {
    const int error_number = errno;
    // A failed MAP_FIXED may have removed what was there.
    Unmap(shm_offset, len);
    return error_number;
  }
  madvise(at, RoundUp(len), MADV_DONTDUMP);
  return 0;
}

int MappingWindow::Unmap(uint64_t shm_offset, uint64_t len) {
  if (!Fits(shm_offset, len)) return EINVAL;
  void* at = mmap(base_ + shm_offset, RoundUp(len), PROT_NONE, kReserveFlags | MAP_FIXED, -1, 0);
  if (at == MAP_FAILED) return errno;
  madvise(at, RoundUp(len), MADV_DONTDUMP);
  return 0;
}

}  // namespace shmemd::frontend
