#include "server/base/clock.h"

#include <time.h>

namespace shmemd::base {
namespace {

int64_t Nanos(clockid_t clock) {
  timespec now{};
  clock_gettime(clock, &now);
  return int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

}  // namespace

int64_t WallNanos() { return Nanos(CLOCK_REALTIME); }
int64_t MonotonicNanos() { return Nanos(CLOCK_MONOTONIC); }

}  // namespace shmemd::base
