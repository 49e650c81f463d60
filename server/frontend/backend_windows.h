// All windows of one back-end, and what of the process's share it uses.
//
// Owned by a session, used on the loop's thread. A window is reserved when its region gets its first mapping;
// all go with the connection.
#pragma once

#include <absl/container/flat_hash_map.h>

#include <cstdint>

#include "server/frontend/frontend_config.h"
#include "server/frontend/mapping_window.h"
#include "server/state/mapping.h"

namespace shmemd::frontend {

// What all back-ends of a process share. Owned by the loop.
struct MappingBudget {
  uint64_t max_mappings = 0;
  uint64_t max_window_bytes = 0;
  uint64_t mappings = 0;
  uint64_t window_bytes = 0;
};
// A quarter of vm.max_map_count, and the address space that `limits` allow.
MappingBudget ReadMappingBudget(const Limits& limits);

class BackendWindows {
 public:
  // `budget` outlives it. `page_size` in bytes.
  BackendWindows(const Limits& limits, MappingBudget& budget, uint64_t page_size);
  ~BackendWindows();
  BackendWindows(const BackendWindows&) = delete;
  BackendWindows& operator=(const BackendWindows&) = delete;

  struct Result {
    state::RequestFailure failure = state::RequestFailure::kNone;
    int error_number = 0;  // positive; 0: done
  };
  // The request was checked against the model. `region_size_bytes` as reported.
  Result Map(const state::MapRequest& request, uint64_t region_size_bytes, int fd);
  Result Unmap(const state::UnmapRequest& request);
  // Gives everything back.
  void Clear();

  uint64_t mapping_count() const { return mapping_count_; }

 private:
  struct Window {
    MappingWindow window;
    uint64_t mapping_count = 0;
  };
  Window* Find(uint8_t shmid, uint64_t region_size_bytes);
  void Drop(uint8_t shmid);

  const Limits limits_;
  MappingBudget& budget_;
  const uint64_t page_size_;
  uint64_t mapping_count_ = 0;
  uint64_t window_bytes_ = 0;
  absl::flat_hash_map<uint8_t, Window> windows_;
};

}  // namespace shmemd::frontend
