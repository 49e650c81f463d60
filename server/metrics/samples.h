// Gathers samples by metric while a Collectable runs, and turns them into families in the order of the metric
// table.
#pragma once

#include <prometheus/metric_family.h>

#include <array>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "server/metrics/metric_table.h"
#include "server/state/status.h"

namespace shmemd::metrics {

class Samples {
 public:
  // `labels` are the values for the labels of the metric's row, in its order.
  void Add(Metric metric, std::initializer_list<std::string_view> labels, double value);
  void Add(Metric metric, std::initializer_list<std::string_view> labels,
           const state::DurationHistogram& histogram);

  // Families that got a sample. The object is empty afterwards.
  std::vector<prometheus::MetricFamily> TakeFamilies();

 private:
  prometheus::ClientMetric& NewSample(Metric metric, std::initializer_list<std::string_view> labels);

  std::array<std::vector<prometheus::ClientMetric>, kMetricCount> samples_;
};

}  // namespace shmemd::metrics
