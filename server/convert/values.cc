#include "server/convert/values.h"

#include <algorithm>
#include <limits>

namespace shmemd::convert {
namespace {

constexpr int64_t kNanosPerSecond = 1'000'000'000;

}  // namespace

int64_t Saturated(uint64_t value) {
  constexpr uint64_t kLargest = std::numeric_limits<int64_t>::max();
  return static_cast<int64_t>(std::min(value, kLargest));
}

int64_t SaturatedSum(uint64_t left, uint64_t right) {
  uint64_t sum = 0;
  return Saturated(__builtin_add_overflow(left, right, &sum) ? std::numeric_limits<uint64_t>::max() : sum);
}

google::protobuf::Timestamp ToTimestamp(int64_t wall_ns) {
  google::protobuf::Timestamp out;
  int64_t seconds = wall_ns / kNanosPerSecond;
  int64_t nanos = wall_ns % kNanosPerSecond;
  if (nanos < 0) {  // a Timestamp counts its nanoseconds forward, also before 1970
    nanos += kNanosPerSecond;
    --seconds;
  }
  out.set_seconds(seconds);
  out.set_nanos(static_cast<int32_t>(nanos));
  return out;
}

int64_t FromTimestamp(const google::protobuf::Timestamp& time) {
  constexpr int64_t kLastSecond = std::numeric_limits<int64_t>::max() / kNanosPerSecond - 1;
  const int64_t nanos = std::clamp<int64_t>(time.nanos(), 0, kNanosPerSecond - 1);
  return std::clamp(time.seconds(), -kLastSecond, kLastSecond) * kNanosPerSecond + nanos;
}

google::protobuf::Duration ToDuration(int64_t duration_ns) {
  google::protobuf::Duration out;
  out.set_seconds(duration_ns / kNanosPerSecond);
  out.set_nanos(static_cast<int32_t>(duration_ns % kNanosPerSecond));
  return out;
}

}  // namespace shmemd::convert
