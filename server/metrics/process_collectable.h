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
  // `hub` outlives the object.
  // `watchers`: how many streams of Watch are open; empty: not shown.
  ProcessCollectable(std::string version, const feed::Hub& hub, std::function<size_t()> watchers = {});

  // Any thread. What /proc does not tell is left out.
  std::vector<prometheus::MetricFamily> Collect() const override;

  void SetScrapeDuration(double seconds) { scrape_seconds_.store(seconds, std::memory_order_relaxed); }

 private:
  const std::string version_;
  const feed::Hub& hub_;
  const std::function<size_t()> watchers_;
  const double start_time_seconds_;
  std::atomic<double> scrape_seconds_{0};
};

}  // namespace shmemd::metrics
