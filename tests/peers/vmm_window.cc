#include "tests/peers/vmm_window.h"

#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <limits>
#include <optional>

namespace shmemd::peers {
namespace {

// Where the regions lie in guest memory, back to back, as in the BAR of a test device.
constexpr uint64_t kWindowAddress = uint64_t{1} << 35;

uint64_t PageBytes() { return static_cast<uint64_t>(::sysconf(_SC_PAGESIZE)); }

std::optional<uint64_t> Sum(uint64_t a, uint64_t b) {
  if (a > std::numeric_limits<uint64_t>::max() - b) return std::nullopt;
  return a + b;
}

// Whole pages; nothing when that wraps.
std::optional<uint64_t> RoundedUp(uint64_t len) {
  const auto end = Sum(len, PageBytes() - 1);
  if (!end) return std::nullopt;
  return *end / PageBytes() * PageBytes();
}

// 0, or why the file cannot back the range.
int CheckFile(const VmmRange& range, int fd, uint64_t rounded_len) {
  const auto end = Sum(range.fd_offset, rounded_len);
  if (range.fd_offset % PageBytes() != 0 || !end) return EINVAL;
  struct stat facts {};
  if (::fstat(fd, &facts) != 0) return errno;
  if (!S_ISREG(facts.st_mode)) return 0;
  const auto size = static_cast<uint64_t>(facts.st_size);
  if (size == 0) return ::ftruncate(fd, static_cast<off_t>(*end)) == 0 ? 0 : errno;
  return size < *end ? EINVAL : 0;
}

}  // namespace

MappedMemory::MappedMemory(int fd, uint64_t offset, uint64_t size) : size_(size) {
  void* address = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd,
                         static_cast<off_t>(offset));
  if (address != MAP_FAILED) address_ = address;
}

MappedMemory::~MappedMemory() {
  if (address_ != nullptr) ::munmap(address_, size_);
}

VmmRange VmmRange::Of(const Bytes& payload) {
  return {Get<uint8_t>(payload, 0), Get<uint64_t>(payload, 8), Get<uint64_t>(payload, 16),
          Get<uint64_t>(payload, 24), Get<uint64_t>(payload, 32)};
}

void VmmWindow::SetRegions(Regions regions) {
  const std::lock_guard lock(mutex_);
  live_.clear();
  guest_addresses_.clear();
  regions_ = std::move(regions);
  uint64_t next = kWindowAddress;
  for (const auto& [shmid, size_bytes] : regions_) {
    guest_addresses_[shmid] = next;
    next += size_bytes;
  }
}

bool VmmWindow::IsInside(const VmmRange& range) const {
  const auto region = regions_.find(range.shmid);
  const auto end = Sum(range.shm_offset, range.len);
  return region != regions_.end() && range.len != 0 && end && *end <= region->second;
}

bool VmmWindow::IsFree(const VmmRange& range) const {
  return std::none_of(live_.begin(), live_.end(), [&](const auto& item) {
    const VmmMapping& other = item.second.mapping;
    return other.shmid == range.shmid && range.shm_offset < other.shm_offset + other.len &&
           other.shm_offset < range.shm_offset + range.len;
  });
}

int VmmWindow::Map(const VmmRange& range, Fd file) {
  const std::lock_guard lock(mutex_);
  const auto rounded_len = RoundedUp(range.len);
  if (!file || !rounded_len || !IsInside(range)) return EINVAL;
  if (!IsFree(range)) return EEXIST;
  if (const int error = CheckFile(range, file.get(), *rounded_len); error != 0) return error;
  MappedMemory memory(file.get(), range.fd_offset, *rounded_len);
  if (memory.address() == nullptr) return errno;
  struct stat facts {};
  ::fstat(file.get(), &facts);
  const VmmMapping mapping{range.shmid, range.shm_offset, range.len,   range.fd_offset,
                           range.flags, facts.st_dev,     facts.st_ino};
  live_.emplace(Key{range.shmid, range.shm_offset}, Live{mapping, std::move(file), std::move(memory)});
  return 0;
}

int VmmWindow::Unmap(const VmmRange& range, VmmAnswers::Unmap match) {
  const std::lock_guard lock(mutex_);
  const auto found = live_.find({range.shmid, range.shm_offset});
  const bool is_exact = found != live_.end() && found->second.mapping.len == range.len;
  if (match == VmmAnswers::Unmap::kAny) {
    if (found != live_.end()) live_.erase(found);
    return 0;
  }
  if (found == live_.end() || (match == VmmAnswers::Unmap::kExact && !is_exact)) return EINVAL;
  live_.erase(found);
  return 0;
}

size_t VmmWindow::Clear() {
  const std::lock_guard lock(mutex_);
  const size_t count = live_.size();
  live_.clear();
  return count;
}

std::vector<VmmMapping> VmmWindow::mappings() const {
  const std::lock_guard lock(mutex_);
  std::vector<VmmMapping> all;
  for (const auto& [key, live] : live_) all.push_back(live.mapping);
  return all;
}

size_t VmmWindow::mapping_count() const {
  const std::lock_guard lock(mutex_);
  return live_.size();
}

std::vector<VmmWindow::Slot> VmmWindow::Slots() const {
  const std::lock_guard lock(mutex_);
  std::vector<Slot> slots;
  for (const auto& [key, live] : live_) {
    slots.push_back({guest_addresses_.at(live.mapping.shmid) + live.mapping.shm_offset, live.mapping.len,
                     reinterpret_cast<uint64_t>(live.memory.address()), live.mapping.fd_offset,
                     live.mapping.inode, live.file.get()});
  }
  return slots;
}

}  // namespace shmemd::peers
