// Time as the model keeps it: plain nanoseconds, so that events stay trivially copyable.
#pragma once

#include <cstdint>

namespace shmemd::base {

// Nanoseconds since the Unix epoch; what is shown to people. Jumps when the clock is set.
int64_t WallNanos();

// Nanoseconds since an arbitrary start; what deadlines and latencies are measured with. Never falls.
int64_t MonotonicNanos();

}  // namespace shmemd::base
