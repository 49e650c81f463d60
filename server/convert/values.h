// Plain numbers of the model as the API spells them. Pure functions, any thread, any number is fine.
#pragma once

#include <google/protobuf/duration.pb.h>
#include <google/protobuf/timestamp.pb.h>

#include <cstdint>

namespace shmemd::convert {

// The number, or the largest int64 where it does not fit: a peer may say any 64 bits.
int64_t Saturated(uint64_t value);
// Likewise of a sum, which may be beyond 64 bits.
int64_t SaturatedSum(uint64_t left, uint64_t right);

// `wall_ns`: nanoseconds since the Unix epoch.
google::protobuf::Timestamp ToTimestamp(int64_t wall_ns);
// Nanoseconds since the Unix epoch; the nearest that fits where a client sends nonsense.
int64_t FromTimestamp(const google::protobuf::Timestamp& time);
google::protobuf::Duration ToDuration(int64_t duration_ns);

}  // namespace shmemd::convert
