#include "server/frontend/mapping_window.h"

#include <absl/strings/str_cat.h>
#include <sys/mman.h>

#include <cerrno>
#include <limits>
#include <utility>

#include "server/base/posix_error.h"

namespace shmemd::frontend {
namespace {

// A mapping of huge pages has to begin at a multiple of their size, so the window does.
constexpr uint64_t kAlignment = uint64_t{2} << 20;

constexpr int kReserveFlags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;

}  // namespace

absl::StatusOr<MappingWindow> MappingWindow::Reserve(uint64_t size_bytes, uint64_t page_size) {
  if (size_bytes == 0 || size_bytes > std::numeric_limits<int64_t>::max() - 2 * kAlignment) {
    return absl::InvalidArgumentError(
        absl::StrCat("window: expected a size that can be mapped, got ", size_bytes));
  }
  const uint64_t rounded = (size_bytes + page_size - 1) / page_size * page_size;
  const uint64_t reserved = rounded < kAlignment ? rounded : rounded + kAlignment;
  void* reservation = mmap(nullptr, reserved, PROT_NONE, kReserveFlags, -1, 0);
  if (reservation == MAP_FAILED) {
    return base::PosixError(errno, absl::StrCat("reserve a window of ", reserved, " bytes"));
  }
  madvise(reservation, reserved, MADV_DONTDUMP);
  char* base = static_cast<char*>(reservation);
  if (reserved != rounded) {
    const uint64_t beyond = reinterpret_cast<uintptr_t>(base) % kAlignment;
    if (beyond != 0) base += kAlignment - beyond;
  }
  return MappingWindow(reservation, reserved, base, rounded, page_size);
}

MappingWindow::~MappingWindow() {
  if (reservation_ != nullptr) munmap(reservation_, reserved_bytes_);
}

MappingWindow::MappingWindow(MappingWindow&& other) noexcept
    : reservation_(std::exchange(other.reservation_, nullptr)),
      reserved_bytes_(other.reserved_bytes_),
      base_(other.base_),
      size_bytes_(other.size_bytes_),
      page_size_(other.page_size_) {}

bool MappingWindow::Fits(uint64_t shm_offset, uint64_t len) const {
  return len != 0 && shm_offset % page_size_ == 0 && shm_offset <= size_bytes_ &&
         len <= size_bytes_ - shm_offset;
}

int MappingWindow::Map(int fd, uint64_t fd_offset, uint64_t shm_offset, uint64_t len, bool writable) {
  if (!Fits(shm_offset, len) || fd_offset > static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) {
    return EINVAL;
  }
  const int protection = PROT_READ | (writable ? PROT_WRITE : 0);
  // No reservation: huge pages would be taken at once for a mapping that nobody touches.
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
