// How many documents are made, and of how much time: whoever hammers an open port gets no more of a core, and
// of the replica's lock, than this.
#pragma once

#include <algorithm>
#include <cstdint>

#include "server/base/mutex.h"

namespace shmemd::web {

// Two buckets: so many documents a second, of which two seconds' worth are saved up; and a twentieth of a
// core, of which ten seconds' worth are. What a document takes is known when it is made, so that one may be
// too dear for what is left: the next wait until that is paid. Any thread.
class MakeRate {
 public:
  static constexpr double kShareOfACore = 0.05;
  static constexpr int64_t kSavedNs = 500'000'000;

  // 0 or less: as many as are asked for, whatever they take.
  explicit MakeRate(int per_second) : per_second_(per_second), tokens_(2.0 * per_second) {}

  // Whether one more may be made at `now_ns` (monotonic).
  bool Take(int64_t now_ns) {
    if (per_second_ <= 0) return true;
    base::MutexLock lock(mutex_);
    const int64_t passed_ns = last_ns_ == 0 ? 0 : std::max<int64_t>(now_ns - last_ns_, 0);
    last_ns_ = now_ns;
    tokens_ = std::min(tokens_ + static_cast<double>(passed_ns) / 1e9 * per_second_, 2.0 * per_second_);
    left_ns_ = std::min(left_ns_ + kShareOfACore * static_cast<double>(passed_ns), 1.0 * kSavedNs);
    if (tokens_ < 1.0 || left_ns_ <= 0) return false;
    tokens_ -= 1.0;
    return true;
  }

  // What the making of one took of a core.
  void Charge(int64_t took_ns) {
    base::MutexLock lock(mutex_);
    left_ns_ -= static_cast<double>(took_ns);
  }

 private:
  const int per_second_;
  base::Mutex mutex_;
  double tokens_ ABSL_GUARDED_BY(mutex_);
  double left_ns_ ABSL_GUARDED_BY(mutex_) = kSavedNs;
  int64_t last_ns_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace shmemd::web
