// A mover's publisher, the hub behind it, and a scrape as a map from "name{label=value,...}" to the value.
#pragma once

#include <prometheus/metric_family.h>

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "server/metrics/backend_collectable.h"
#include "tests/feed/feed_fixture.h"

namespace shmemd::metrics {

using Scrape = std::map<std::string, double>;

inline std::string SeriesName(const std::string& name, const prometheus::ClientMetric& metric) {
  std::string text = name;
  for (const auto& label : metric.label) {
    text.append(&label == &metric.label.front() ? "{" : ",")
        .append(label.name)
        .append("=")
        .append(label.value);
  }
  if (!metric.label.empty()) text.push_back('}');
  return text;
}

// A histogram counts as its number of observations and their sum.
inline Scrape ScrapeOf(const std::vector<prometheus::MetricFamily>& families) {
  Scrape scrape;
  for (const auto& family : families) {
    for (const auto& metric : family.metric) {
      if (family.type == prometheus::MetricType::Histogram) {
        scrape[SeriesName(family.name + "_count", metric)] =
            static_cast<double>(metric.histogram.sample_count);
        scrape[SeriesName(family.name + "_sum", metric)] = metric.histogram.sample_sum;
      } else {
        const bool counter = family.type == prometheus::MetricType::Counter;
        scrape[SeriesName(family.name, metric)] = counter ? metric.counter.value : metric.gauge.value;
      }
    }
  }
  return scrape;
}

class MetricsTest : public testing::Test {
 protected:
  MetricsTest() {
    hub_.AddSource(queue_, control_);
    hub_.Start();
  }
  ~MetricsTest() override { hub_.Stop(); }

  state::BackendHandle Attach(const std::string& id, state::Mode mode = state::Mode::kFrontend) {
    state::BackendSpec spec = feed::Spec(id);
    spec.mode = mode;
    return publisher_.Attach(std::move(spec));
  }
  void Publish(state::BackendHandle backend, const std::vector<state::EventBody>& bodies) {
    for (const state::EventBody& body : bodies) publisher_.Publish(backend, body);
  }
  void PublishActive(state::BackendHandle backend) {
    Publish(backend, {state::Connected{}, state::StateChanged{state::BackendState::kActive, {}}});
  }
  Scrape Collect() {
    EXPECT_TRUE(feed::CatchUp(publisher_, queue_, hub_));
    return ScrapeOf(BackendCollectable(hub_).Collect());
  }

  feed::UpdateQueue queue_{1024};
  feed::Control control_;
  feed::Hub hub_{feed::kPage};
  feed::Publisher publisher_{queue_, 1, feed::kPage};
};

// The part of a scrape whose names begin with `prefix`.
inline Scrape Starting(const Scrape& scrape, std::string_view prefix) {
  Scrape part;
  for (const auto& [name, value] : scrape) {
    if (name.starts_with(prefix)) part[name] = value;
  }
  return part;
}

}  // namespace shmemd::metrics
