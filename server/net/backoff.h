// How long to wait before the next try to connect: doubled with each one, up to a limit, plus or minus 20 %
// so that many do not come at once.
//
// A value, used by its owner's thread.
#pragma once

#include <algorithm>
#include <cstdint>
#include <random>

namespace shmemd::net {

class Backoff {
 public:
  // `min_ns` is the first pause, `max_ns` the longest.
  Backoff(int64_t min_ns, int64_t max_ns) : min_ns_(min_ns), max_ns_(max_ns) {}

  int64_t NextNs(std::minstd_rand& random) {
    const int64_t doubled = min_ns_ << std::min<uint32_t>(tries_++, kMostDoublings);
    const double jitter = std::uniform_real_distribution<double>(0.8, 1.2)(random);
    return static_cast<int64_t>(static_cast<double>(std::min(doubled, max_ns_)) * jitter);
  }

  // A connection that lasted ten first pauses was a good one: the pauses start anew. False: it was not.
  bool ResetIfLasted(int64_t lasted_ns) {
    if (lasted_ns < min_ns_ * kGoodPauses) return false;
    tries_ = 0;
    return true;
  }

 private:
  static constexpr uint32_t kMostDoublings = 16;
  static constexpr int64_t kGoodPauses = 10;

  int64_t min_ns_;
  int64_t max_ns_;
  uint32_t tries_ = 0;
};

}  // namespace shmemd::net
