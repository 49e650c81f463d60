// OpenMetrics 1.0 text, byte for byte.
#include "server/metrics/open_metrics.h"

#include <gtest/gtest.h>

#include <limits>

#include "server/metrics/samples.h"

namespace shmemd::metrics {
namespace {

TEST(OpenMetricsText, NothingIsOnlyTheEnd) { EXPECT_EQ(OpenMetricsText({}), "# EOF\n"); }

TEST(OpenMetricsText, GaugesCountersAndHistograms) {
  Samples samples;
  samples.Add(Metric::kMappedBytes, {"gpu0", "0"}, 4096);
  samples.Add(Metric::kMappedBytes, {"gpu0", "2"}, 0);
  samples.Add(Metric::kMapRequests, {"gpu0", "0"}, 7);
  state::DurationHistogram histogram;
  histogram.Observe(900);
  histogram.Observe(3'000);
  histogram.Observe(60'000'000'000);
  samples.Add(Metric::kMapDuration, {"gpu0"}, histogram);
  samples.Add(Metric::kEventsDropped, {}, 0);
  EXPECT_EQ(OpenMetricsText(samples.TakeFamilies()),
            R"(# TYPE vhost_shmem_mapped_bytes gauge
# HELP vhost_shmem_mapped_bytes Bytes mapped into the region: acknowledged by the front-end, or assumed.
vhost_shmem_mapped_bytes{backend="gpu0",shmid="0"} 4096
vhost_shmem_mapped_bytes{backend="gpu0",shmid="2"} 0
# TYPE vhost_shmem_map_requests counter
# HELP vhost_shmem_map_requests SHMEM_MAP requests seen.
vhost_shmem_map_requests_total{backend="gpu0",shmid="0"} 7
# TYPE vhost_shmem_map_duration_seconds histogram
# HELP vhost_shmem_map_duration_seconds From a request being seen to its answer being seen.
vhost_shmem_map_duration_seconds_bucket{backend="gpu0",le="1e-06"} 1
vhost_shmem_map_duration_seconds_bucket{backend="gpu0",le="4e-06"} 2
vhost_shmem_map_duration_seconds_bucket{backend="gpu0",le="1.6e-05"} 2
vhost_shmem_map_duration_seconds_bucket{backend="gpu0",le="6.4e-05"} 2
vhost_shmem_map_duration_seconds_bucket{backend="gpu0",le="0.000256"} 2
vhost_shmem_map_duration_seconds_bucket{backend="gpu0",le="0.001024"} 2
vhost_shmem_map_duration_seconds_bucket{backend="gpu0",le="0.004096"} 2
vhost_shmem_map_duration_seconds_bucket{backend="gpu0",le="0.016384"} 2
vhost_shmem_map_duration_seconds_bucket{backend="gpu0",le="0.065536"} 2
vhost_shmem_map_duration_seconds_bucket{backend="gpu0",le="0.262144"} 2
vhost_shmem_map_duration_seconds_bucket{backend="gpu0",le="1.048576"} 2
vhost_shmem_map_duration_seconds_bucket{backend="gpu0",le="4.194304"} 2
vhost_shmem_map_duration_seconds_bucket{backend="gpu0",le="16.777216"} 2
vhost_shmem_map_duration_seconds_bucket{backend="gpu0",le="+Inf"} 3
vhost_shmem_map_duration_seconds_count{backend="gpu0"} 3
vhost_shmem_map_duration_seconds_sum{backend="gpu0"} 60.0000039
# TYPE shmemd_events_dropped counter
# HELP shmemd_events_dropped Events that did not fit into a queue and were caught up with later.
shmemd_events_dropped_total 0
# EOF
)");
}

TEST(OpenMetricsText, LabelsAndHelpAreEscaped) {
  prometheus::MetricFamily family;
  family.name = "odd";
  family.help = "back\\slash, \"quoted\",\nnext line";
  family.type = prometheus::MetricType::Gauge;
  family.metric.emplace_back().label = {{"path", "a\\b\"c\nd"}};
  EXPECT_EQ(OpenMetricsText({family}),
            "# TYPE odd gauge\n"
            "# HELP odd back\\\\slash, \\\"quoted\\\",\\nnext line\n"
            "odd{path=\"a\\\\b\\\"c\\nd\"} 0\n"
            "# EOF\n");
}

TEST(OpenMetricsText, NumbersKeepTheirValue) {
  prometheus::MetricFamily family;
  family.name = "n";
  family.help = "h";
  family.type = prometheus::MetricType::Gauge;
  for (const double value :
       {0.1, -2.5, 9007199254740993.0, 1e300, std::numeric_limits<double>::infinity(),
        -std::numeric_limits<double>::infinity(), std::numeric_limits<double>::quiet_NaN()}) {
    family.metric.emplace_back().gauge.value = value;
  }
  EXPECT_EQ(OpenMetricsText({family}),
            "# TYPE n gauge\n# HELP n h\nn 0.1\nn -2.5\nn 9007199254740992\nn 1e+300\nn +Inf\nn -Inf\nn "
            "NaN\n# EOF\n");
}

}  // namespace
}  // namespace shmemd::metrics
