#include "server/api/limited_log.h"

#include <absl/strings/str_cat.h>

#include "server/base/clock.h"

namespace shmemd::api {

void LimitedLog::Warn(const std::string& line) {
  constexpr int64_t kPauseNs = 1'000'000'000;
  if (!sink_) return;
  uint64_t left_out = 0;
  {
    const int64_t now_ns = base::MonotonicNanos();
    base::MutexLock lock(mutex_);
    if (now_ns < next_ns_) {
      ++left_out_;
      return;
    }
    next_ns_ = now_ns + kPauseNs;
    left_out = std::exchange(left_out_, 0);
  }
  sink_(LogLevel::kWarning,
        left_out == 0 ? line : absl::StrCat(line, " (", left_out, " more refusals were not logged)"));
}

}  // namespace shmemd::api
