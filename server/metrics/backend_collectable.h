// The metrics of all attached back-ends, computed from the replica when a scrape asks. Nothing is kept
// between two scrapes, so nothing stale can be shown of a back-end that was detached.
#pragma once

#include <prometheus/collectable.h>

#include <vector>

#include "server/feed/hub.h"

namespace shmemd::metrics {

class BackendCollectable final : public prometheus::Collectable {
 public:
  // `hub` outlives the object.
  explicit BackendCollectable(const feed::Hub& hub) : hub_(hub) {}

  // Any thread. Holds the replica only while the numbers are copied.
  std::vector<prometheus::MetricFamily> Collect() const override;

 private:
  const feed::Hub& hub_;
};

}  // namespace shmemd::metrics
