#include "server/metrics/open_metrics.h"

#include <charconv>
#include <cmath>
#include <string_view>

namespace shmemd::metrics {
namespace {

using Labels = std::vector<prometheus::ClientMetric::Label>;

void AppendEscaped(std::string& out, std::string_view text) {
  for (const char c : text) {
    if (c == '\n') {
      out.append("\\n");
    } else {
      if (c == '\\' || c == '"') out.push_back('\\');
      out.push_back(c);
    }
  }
}

void AppendNumber(std::string& out, double value) {
  if (std::isinf(value)) {
    out.append(value > 0 ? "+Inf" : "-Inf");
    return;
  }
  if (std::isnan(value)) {
    out.append("NaN");
    return;
  }
  char buffer[32];
  const auto result = std::to_chars(buffer, buffer + sizeof buffer, value);
  out.append(buffer, result.ptr);
}

// A bucket's bound is written as a float in every case ("1.0", not "1"), as the format's canonical numbers
// are.
void AppendBound(std::string& out, double bound) {
  const size_t begin = out.size();
  AppendNumber(out, bound);
  if (std::isfinite(bound) && out.find_first_of(".e", begin) == std::string::npos) out.append(".0");
}

void AppendSample(std::string& out, std::string_view name, std::string_view suffix, const Labels& labels,
                  const double* bound, double value) {
  out.append(name).append(suffix);
  char separator = '{';
  for (const auto& label : labels) {
    out.push_back(separator);
    out.append(label.name).append("=\"");
    AppendEscaped(out, label.value);
    out.push_back('"');
    separator = ',';
  }
  if (bound != nullptr) {
    out.push_back(separator);
    out.append("le=\"");
    AppendBound(out, *bound);
    out.push_back('"');
    separator = ',';
  }
  if (separator == ',') out.push_back('}');
  out.push_back(' ');
  AppendNumber(out, value);
  out.push_back('\n');
}

void AppendHistogram(std::string& out, std::string_view name, const prometheus::ClientMetric& metric) {
  for (const auto& bucket : metric.histogram.bucket) {
    AppendSample(out, name, "_bucket", metric.label, &bucket.upper_bound,
                 static_cast<double>(bucket.cumulative_count));
  }
  AppendSample(out, name, "_count", metric.label, nullptr,
               static_cast<double>(metric.histogram.sample_count));
  AppendSample(out, name, "_sum", metric.label, nullptr, metric.histogram.sample_sum);
}

std::string_view TypeName(prometheus::MetricType type) {
  switch (type) {
    case prometheus::MetricType::Counter:
      return "counter";
    case prometheus::MetricType::Gauge:
      return "gauge";
    case prometheus::MetricType::Histogram:
      return "histogram";
    default:
      return "unknown";
  }
}

std::string_view FamilyName(const prometheus::MetricFamily& family) {
  constexpr std::string_view kTotal = "_total";
  std::string_view name = family.name;
  if (family.type == prometheus::MetricType::Counter && name.ends_with(kTotal))
    name.remove_suffix(kTotal.size());
  return name;
}

}  // namespace

std::string OpenMetricsText(const std::vector<prometheus::MetricFamily>& families) {
  std::string out;
  for (const auto& family : families) {
    const std::string_view name = FamilyName(family);
    out.append("# TYPE ")
        .append(name)
        .append(" ")
        .append(TypeName(family.type))
        .append("\n# HELP ")
        .append(name);
    out.push_back(' ');
    AppendEscaped(out, family.help);
    out.push_back('\n');
    for (const auto& metric : family.metric) {
      if (family.type == prometheus::MetricType::Histogram) {
        AppendHistogram(out, name, metric);
      } else if (family.type == prometheus::MetricType::Counter) {
        AppendSample(out, name, "_total", metric.label, nullptr, metric.counter.value);
      } else {
        AppendSample(out, name, "", metric.label, nullptr, metric.gauge.value);
      }
    }
  }
  out.append("# EOF\n");
  return out;
}

}  // namespace shmemd::metrics
