// How long to wait before the next try: random, so that many who lost the same server do not come back at
// once, and longer after each failure. Owned and used by one thread.
#pragma once

#include <chrono>
#include <optional>
#include <random>

namespace shmemd::client {

class Backoff {
 public:
  using Milliseconds = std::chrono::milliseconds;

  Backoff(Milliseconds least, Milliseconds most);

  // The wait after one more failure: from half of the current step to all of it. Not below what the server
  // asked for, and then up to a tenth more.
  Milliseconds Next(std::optional<Milliseconds> asked);
  // Something worked: the next wait is a first one.
  void Reset() { step_ = least_; }

 private:
  int64_t Random(int64_t from, int64_t to);

  Milliseconds least_;
  Milliseconds most_;
  Milliseconds step_;
  std::minstd_rand random_;
};

}  // namespace shmemd::client
