#include "server/metrics/samples.h"

#include <cassert>
#include <limits>
#include <utility>

namespace shmemd::metrics {

prometheus::ClientMetric& Samples::NewSample(Metric metric, std::initializer_list<std::string_view> labels) {
  const MetricRow& row = RowOf(metric);
  prometheus::ClientMetric& sample = samples_[static_cast<size_t>(metric)].emplace_back();
  sample.label.reserve(labels.size());
  size_t i = 0;
  for (const std::string_view value : labels) {
    assert(i < row.labels.size() && row.labels[i] != nullptr);
    sample.label.push_back({row.labels[i++], std::string(value)});
  }
  assert(i == row.labels.size() || row.labels[i] == nullptr);
  return sample;
}

void Samples::Add(Metric metric, std::initializer_list<std::string_view> labels, double value) {
  prometheus::ClientMetric& sample = NewSample(metric, labels);
  if (RowOf(metric).type == prometheus::MetricType::Counter) {
    sample.counter.value = value;
  } else {
    sample.gauge.value = value;
  }
}

void Samples::Add(Metric metric, std::initializer_list<std::string_view> labels,
                  const state::DurationHistogram& histogram) {
  prometheus::ClientMetric& sample = NewSample(metric, labels);
  uint64_t cumulative = 0;
  for (int i = 0; i < state::DurationHistogram::kBucketCount; ++i) {
    cumulative += histogram.counts[static_cast<size_t>(i)];
    sample.histogram.bucket.push_back({cumulative, state::DurationHistogram::UpperBoundSeconds(i)});
  }
  cumulative += histogram.counts.back();
  sample.histogram.bucket.push_back({cumulative, std::numeric_limits<double>::infinity()});
  sample.histogram.sample_count = cumulative;
  sample.histogram.sample_sum = static_cast<double>(histogram.sum_ns) / 1e9;
}

std::vector<prometheus::MetricFamily> Samples::TakeFamilies() {
  std::vector<prometheus::MetricFamily> families;
  for (const MetricRow& row : MetricTable()) {
    auto& samples = samples_[static_cast<size_t>(row.metric)];
    if (samples.empty()) continue;
    prometheus::MetricFamily& family = families.emplace_back();
    family.name = row.name;
    family.help = row.help;
    family.type = row.type;
    family.metric = std::exchange(samples, {});
  }
  return families;
}

}  // namespace shmemd::metrics
