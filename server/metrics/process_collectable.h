// The metrics of this process: version, event queue, CPU, memory, descriptors.
#pragma once

#include <prometheus/collectable.h>

#include <atomic>
#include <cstddef>
#include <functional>
#include <string>
#include <vector>

#include "server/feed/hub.h"

namespace shmemd::metrics {

class ProcessCollectable final : public prometheus::Collectable {
 public:
  struct Expiry {
    std::string file;  // "certificate", "client_ca"
    double time = 0;   // seconds since the epoch
  };
  // What only others know; what is empty is not shown.
  struct Sources {
    std::function<size_t()> watchers;  // streams of Watch that are open
    std::function<std::vector<Expiry>()> certificates;
  };

  // `hub` outlives the object.
  ProcessCollectable(std::string version, const feed::Hub& hub, Sources sources = {});

  // Any thread. What /proc does not tell is left out.
  std::vector<prometheus::MetricFamily> Collect() const override;

  void SetScrapeDuration(double seconds) { scrape_seconds_.store(seconds, std::memory_order_relaxed); }

 private:
  const std::string version_;
  const feed::Hub& hub_;
  const Sources sources_;
  const double start_time_seconds_;
  std::atomic<double> scrape_seconds_{0};
};

}  // namespace shmemd::metrics
