// The metrics of all attached back-ends, computed from the replica when a scrape asks. Nothing is kept
// between two scrapes, so nothing stale can be shown of a back-end that was detached.
#pragma once

#include <prometheus/collectable.h>

#include <vector>

#include "server/feed/hub.h"
#include "server/feed/server_findings.h"

namespace shmemd::metrics {

class BackendCollectable final : public prometheus::Collectable {
 public:
  // Both outlive the object. `findings`: those about shmemd itself, which are counted with the others.
  explicit BackendCollectable(const feed::Hub& hub, const feed::ServerFindings* findings = nullptr)
      : hub_(hub), findings_(findings) {}

  // Any thread. Holds the replica only while the numbers are copied.
  std::vector<prometheus::MetricFamily> Collect() const override;

 private:
  const feed::Hub& hub_;
  const feed::ServerFindings* findings_;
};

}  // namespace shmemd::metrics
