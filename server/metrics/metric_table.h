// Every metric there is: name, type, help, labels. The only place that names them; what is scraped and what
// is documented both come from here.
#pragma once

#include <prometheus/metric_type.h>

#include <array>
#include <cstddef>
#include <cstdint>

namespace shmemd::metrics {

enum class Metric : uint8_t {
  kMappedBytes,
  kAssumedBytes,
  kStaleBytes,
  kAtRiskBytes,
  kRegionSizeBytes,
  kMappedPeakBytes,
  kWritableMappedBytes,
  kLargestFreeExtentBytes,
  kFreeExtents,
  kMappings,
  kRegionInfo,
  kMapRequests,
  kUnmapRequests,
  kMapBytes,
  kMapFailures,
  kUnmapFailures,
  kMapDuration,
  kBackendUp,
  kBackendInfo,
  kBackendState,
  kBackendConnects,
  kBackendDisconnects,
  kBackendResets,
  kConfigQueries,
  kConfigQueryFailures,
  kConfigQueryDuration,
  kFindings,
  kRelayMessages,
  kRelayBytes,
  kRelayFds,
  kRelayDecodeErrors,
  kRelayForwardDuration,
  kRelayGuardActions,
  kBuildInfo,
  kWatchers,
  kEventsDropped,
  kScrapeDuration,
  kCertificateExpiry,
  kGrpcHandled,
  kGrpcHandling,
  kProcessCpuSeconds,
  kProcessResidentMemoryBytes,
  kProcessVirtualMemoryBytes,
  kProcessOpenFds,
  kProcessMaxFds,
  kProcessStartTime,
  kProcessThreads,
};
inline constexpr size_t kMetricCount = static_cast<size_t>(Metric::kProcessThreads) + 1;

struct MetricRow {
  Metric metric{};
  const char* name = "";  // as exposed in Prometheus text: counters end in _total
  prometheus::MetricType type{};
  const char* help = "";
  std::array<const char*, 4> labels{};  // nullptr ends the list
};

// In the order in which they are exposed; row i describes Metric(i).
const std::array<MetricRow, kMetricCount>& MetricTable();
const MetricRow& RowOf(Metric metric);

}  // namespace shmemd::metrics
