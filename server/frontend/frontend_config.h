// What our own front-end may take its time for, and how much it may use.
#pragma once

#include <cstdint>

namespace shmemd::frontend {

struct Timeouts {
  int64_t connect_ns = 5'000'000'000;
  int64_t query_ns = 5'000'000'000;  // for each reply, that to GET_SHMEM_CONFIG among them
};

// Pause before the next try to connect: doubled with each one, plus or minus 20 %.
struct Reconnect {
  int64_t min_ns = 100'000'000;
  int64_t max_ns = 5'000'000'000;
};

struct Limits {
  uint64_t max_mappings = 1024;                   // of one back-end
  uint64_t max_window_bytes = uint64_t{1} << 40;  // of one region; larger ones are listed, their maps refused
  uint64_t max_backend_windows = 4;               // all windows of a back-end together, in max_window_bytes
  uint64_t max_total_windows = 32;  // all windows of the process: a quarter of its address space
};

struct FrontendConfig {
  Timeouts timeouts;
  Reconnect reconnect;
  Limits limits;
};

}  // namespace shmemd::frontend
