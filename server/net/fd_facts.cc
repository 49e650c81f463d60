#include "server/net/fd_facts.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <cstring>
#include <string_view>

#include "server/base/unique_fd.h"

namespace shmemd::net {
namespace {

using base::FdAccess;
using base::FdFacts;
using base::FdKind;

FdAccess AccessOf(int fd) {
  const int flags = fcntl(fd, F_GETFL);
  if (flags < 0 || (flags & O_PATH) != 0) return FdAccess::kUnknown;
  switch (flags & O_ACCMODE) {
    case O_RDONLY:
      return FdAccess::kReadOnly;
    case O_WRONLY:
      return FdAccess::kWriteOnly;
    case O_RDWR:
      return FdAccess::kReadWrite;
    default:
      return FdAccess::kUnknown;
  }
}

// The kernel's own name of the open file. Asks no file system.
std::string_view NameOf(int fd, std::array<char, 64>& buffer) {
  std::array<char, 32> path{"/proc/self/fd/"};
  const size_t prefix = std::strlen(path.data());
  std::to_chars(path.data() + prefix, path.data() + path.size() - 1, fd);
  const ssize_t length = readlink(path.data(), buffer.data(), buffer.size());
  return length < 0 ? std::string_view{} : std::string_view{buffer.data(), static_cast<size_t>(length)};
}

// The file system on which all memfds of plain pages lie, and little else; 0: not known. Spares the name,
// which costs more than all other facts together.
uint64_t MemfdDevice() {
  static const uint64_t device = [] {
    const base::UniqueFd fd(memfd_create("shmemd", MFD_CLOEXEC));
    struct statx status {};
    if (!fd.is_open() || statx(fd.get(), "", AT_EMPTY_PATH, STATX_TYPE, &status) != 0) return uint64_t{0};
    return static_cast<uint64_t>(makedev(status.stx_dev_major, status.stx_dev_minor));
  }();
  return device;
}

FdKind KindOf(int fd, mode_t mode, bool in_memory, uint64_t device) {
  if (in_memory && device != 0 && device == MemfdDevice()) return FdKind::kMemfd;
  std::array<char, 64> buffer;
  const std::string_view name = NameOf(fd, buffer);
  if (in_memory) {
    struct statfs file_system {};
    if (fstatfs(fd, &file_system) == 0 && file_system.f_type == HUGETLBFS_MAGIC) return FdKind::kHugetlb;
    if (name.starts_with("/memfd:")) return FdKind::kMemfd;
  }
  if (name.starts_with("/dmabuf:")) return FdKind::kDmaBuf;
  if (S_ISREG(mode)) return FdKind::kFile;
  if (S_ISCHR(mode) || S_ISBLK(mode)) return FdKind::kDevice;
  return mode == 0 ? FdKind::kUnknown : FdKind::kOther;
}

}  // namespace

FdFacts ReadFdFacts(int fd) {
  FdFacts facts;
  facts.access = AccessOf(fd);
  // Only tmpfs and hugetlbfs have seals; they live in the kernel, so that asking them anything cannot block.
  const int seals = fcntl(fd, F_GET_SEALS);
  facts.seals_known = seals >= 0;
  if (facts.seals_known) facts.seals = static_cast<uint32_t>(seals);

  struct statx status {};
  mode_t mode = 0;
  // No birth time: FUSE would ask its daemon for it in spite of AT_STATX_DONT_SYNC.
  if (statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_TYPE | STATX_INO | STATX_SIZE, &status) == 0) {
    mode = status.stx_mode;
    facts.device = makedev(status.stx_dev_major, status.stx_dev_minor);
    facts.inode = status.stx_ino;
    if (S_ISREG(mode)) facts.size_bytes = static_cast<int64_t>(status.stx_size);
  }
  facts.kind = KindOf(fd, mode, facts.seals_known, facts.device);
  if (facts.kind == FdKind::kDmaBuf && facts.size_bytes < 0 && status.stx_size > 0) {
    facts.size_bytes = static_cast<int64_t>(status.stx_size);
  }
  return facts;
}

}  // namespace shmemd::net
