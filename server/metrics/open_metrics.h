// OpenMetrics 1.0 text, for scrapers that ask for it: counter families are named without _total, the text
// ends in
// "# EOF".
#pragma once

#include <prometheus/metric_family.h>

#include <string>
#include <vector>

namespace shmemd::metrics {

inline constexpr char kOpenMetricsContentType[] =
    "application/openmetrics-text; version=1.0.0; charset=utf-8";

std::string OpenMetricsText(const std::vector<prometheus::MetricFamily>& families);

}  // namespace shmemd::metrics
