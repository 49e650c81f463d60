// How many calls a second each caller may make: a token bucket a caller, with room for one second's calls.
//
// Any thread. Memory is bounded: when there are too many callers at once, those that have come last share a
// bucket.
#pragma once

#include <absl/container/flat_hash_map.h>

#include <cstddef>
#include <cstdint>
#include <string>

#include "server/base/mutex.h"

namespace shmemd::api {

class CallRate {
 public:
  explicit CallRate(int64_t calls_per_second, size_t max_callers = 1024)
      : rate_(calls_per_second), max_callers_(max_callers) {}

  // Nanoseconds until this caller may call again; 0: now, and this call is counted.
  int64_t Take(const std::string& caller, int64_t now_ns);

 private:
  struct Bucket {
    int64_t empty_at_ns = 0;  // when what was taken will all have come back
  };
  Bucket& Find(const std::string& caller, int64_t now_ns) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const int64_t rate_;
  const size_t max_callers_;
  base::Mutex mutex_;
  absl::flat_hash_map<std::string, Bucket> buckets_ ABSL_GUARDED_BY(mutex_);
  Bucket shared_ ABSL_GUARDED_BY(mutex_);
  int64_t swept_ns_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace shmemd::api
