// What the relay may take its time for.
#pragma once

#include <cstdint>

namespace shmemd::relay {

struct RelayConfig {
  int64_t query_timeout_ns = 5'000'000'000;  // for a GET_SHMEM_CONFIG of our own
  // Pause before the next try to connect: doubled with each one, plus or minus 20 %.
  int64_t reconnect_min_ns = 100'000'000;
  int64_t reconnect_max_ns = 5'000'000'000;
};

}  // namespace shmemd::relay
