#include "server/frontend/backend_windows.h"

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <limits>
#include <utility>

namespace shmemd::frontend {

using state::RequestFailure;

namespace {

uint64_t SaturatingProduct(uint64_t left, uint64_t right) {
  uint64_t product = 0;
  return __builtin_mul_overflow(left, right, &product) ? std::numeric_limits<uint64_t>::max() : product;
}

}  // namespace

MappingBudget ReadMappingBudget(const Limits& limits) {
  uint64_t max_map_count = 65'530;  // the kernel's default
  std::ifstream("/proc/sys/vm/max_map_count") >> max_map_count;
  return {.max_mappings = max_map_count / 4,
          .max_window_bytes = SaturatingProduct(limits.max_window_bytes, limits.max_total_windows)};
}

BackendWindows::BackendWindows(const Limits& limits, MappingBudget& budget, uint64_t page_size)
    : limits_(limits), budget_(budget), page_size_(page_size) {}

BackendWindows::~BackendWindows() { Clear(); }

BackendWindows::Result BackendWindows::Map(const state::MapRequest& request, uint64_t region_size_bytes,
                                           int fd) {
  if (region_size_bytes > limits_.max_window_bytes) return {RequestFailure::kWindowTooLarge, ENOMEM};
  if (mapping_count_ >= limits_.max_mappings || budget_.mappings >= budget_.max_mappings) {
    return {RequestFailure::kMappingLimit, ENOMEM};
  }
  Window* window = Find(request.shmid, region_size_bytes);
  if (window == nullptr) return {RequestFailure::kNoResources, ENOMEM};
  const bool writable = (request.flags & state::kMapFlagReadWrite) != 0;
  const int error_number =
      window->window.Map(fd, request.fd, request.fd_offset, request.shm_offset, request.len, writable);
  if (error_number != 0) return {RequestFailure::kNoResources, error_number};
  ++window->mapping_count;
  ++mapping_count_;
  ++budget_.mappings;
  return {};
}

BackendWindows::Result BackendWindows::Unmap(const state::UnmapRequest& request) {
  const auto it = windows_.find(request.shmid);
  if (it == windows_.end()) return {RequestFailure::kNotMapped, EINVAL};
  const int error_number = it->second.window.Unmap(request.shm_offset, request.len);
  if (error_number != 0) return {RequestFailure::kNoResources, error_number};
  --it->second.mapping_count;
  --mapping_count_;
  --budget_.mappings;
  return {};
}

// A region whose size was reported anew gets a new window once the old one is empty.
BackendWindows::Window* BackendWindows::Find(uint8_t shmid, uint64_t region_size_bytes) {
  if (const auto it = windows_.find(shmid); it != windows_.end()) {
    const bool fits = it->second.window.size_bytes() >= region_size_bytes;
    if (fits || it->second.mapping_count > 0) return &it->second;
    Drop(shmid);
  }
  const uint64_t share = SaturatingProduct(limits_.max_window_bytes, limits_.max_backend_windows);
  const uint64_t most = std::min(share - window_bytes_, budget_.max_window_bytes - budget_.window_bytes);
  if (region_size_bytes > most) return nullptr;
  absl::StatusOr<MappingWindow> window = MappingWindow::Reserve(region_size_bytes, page_size_);
  if (!window.ok() || window->size_bytes() > most) return nullptr;
  window_bytes_ += window->size_bytes();
  budget_.window_bytes += window->size_bytes();
  return &windows_.emplace(shmid, Window{std::move(*window)}).first->second;
}

void BackendWindows::Drop(uint8_t shmid) {
  const auto it = windows_.find(shmid);
  window_bytes_ -= it->second.window.size_bytes();
  budget_.window_bytes -= it->second.window.size_bytes();
  windows_.erase(it);
}

void BackendWindows::Clear() {
  budget_.mappings -= mapping_count_;
  budget_.window_bytes -= window_bytes_;
  mapping_count_ = 0;
  window_bytes_ = 0;
  windows_.clear();
}

}  // namespace shmemd::frontend
