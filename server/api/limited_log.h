// Lines for the log that a peer can cause as often as it likes: one a second at most, with the number of
// those that were left out.
//
// Any thread.
#pragma once

#include <cstdint>
#include <string>
#include <utility>

#include "server/api/log_sink.h"
#include "server/base/mutex.h"

namespace shmemd::api {

class LimitedLog {
 public:
  explicit LimitedLog(LogSink sink) : sink_(std::move(sink)) {}

  void Warn(const std::string& line);

 private:
  const LogSink sink_;
  base::Mutex mutex_;
  int64_t next_ns_ ABSL_GUARDED_BY(mutex_) = 0;  // monotonic
  uint64_t left_out_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace shmemd::api
