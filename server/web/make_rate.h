// How many documents are made: whoever hammers an open port gets no more of a core, and of the replica's
// lock, than this.
#pragma once

#include <algorithm>
#include <cstdint>

#include "server/base/mutex.h"

namespace shmemd::web {

// A bucket that holds two seconds' worth. Any thread.
class MakeRate {
 public:
  // 0 or less: as many as are asked for.
  explicit MakeRate(int per_second) : per_second_(per_second), tokens_(2.0 * per_second) {}

  // Whether one more may be made at `now_ns` (monotonic).
  bool Take(int64_t now_ns) {
    if (per_second_ <= 0) return true;
    base::MutexLock lock(mutex_);
    const double passed_s = last_ns_ == 0 ? 0.0 : static_cast<double>(now_ns - last_ns_) / 1e9;
    last_ns_ = now_ns;
    tokens_ = std::min(tokens_ + passed_s * per_second_, 2.0 * per_second_);
    if (tokens_ < 1.0) return false;
    tokens_ -= 1.0;
    return true;
  }

 private:
  const int per_second_;
  base::Mutex mutex_;
  double tokens_ ABSL_GUARDED_BY(mutex_);
  int64_t last_ns_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace shmemd::web
