// The metrics of the API's calls, named as other gRPC servers name theirs.
#pragma once

#include <prometheus/collectable.h>

#include <vector>

#include "server/feed/call_stats.h"

namespace shmemd::metrics {

class CallCollectable final : public prometheus::Collectable {
 public:
  // `stats` outlives the object; nullptr: nothing is collected.
  explicit CallCollectable(const feed::CallStats* stats) : stats_(stats) {}

  // Any thread. Every method has its OK from the start; other codes, and durations, once they occurred.
  std::vector<prometheus::MetricFamily> Collect() const override;

 private:
  const feed::CallStats* stats_;
};

}  // namespace shmemd::metrics
