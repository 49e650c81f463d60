#include "server/metrics/metric_table.h"

namespace shmemd::metrics {
namespace {

using enum prometheus::MetricType;

constexpr std::array<MetricRow, kMetricCount> kTable{{
    {Metric::kMappedBytes, "vhost_shmem_mapped_bytes", Gauge,
     "Bytes mapped into the region: acknowledged by the front-end, or assumed.", {"backend", "shmid"}},
    {Metric::kAssumedBytes, "vhost_shmem_assumed_bytes", Gauge,
     "The part of the mapped bytes that nobody acknowledged.", {"backend", "shmid"}},
    {Metric::kStaleBytes, "vhost_shmem_stale_bytes", Gauge,
     "Bytes in mappings whose owner may be gone; not part of the mapped bytes.", {"backend", "shmid"}},
    {Metric::kAtRiskBytes, "vhost_shmem_at_risk_bytes", Gauge,
     "Bytes that are unsafe to touch: beyond the end of their file, or stale.", {"backend", "shmid"}},
    {Metric::kRegionSizeBytes, "vhost_shmem_region_size_bytes", Gauge,
     "Size of the region as the back-end reported it.", {"backend", "shmid"}},
    {Metric::kMappedPeakBytes, "vhost_shmem_mapped_peak_bytes", Gauge,
     "Most bytes mapped at one time since the connection began or peaks were reset.", {"backend", "shmid"}},
    {Metric::kWritableMappedBytes, "vhost_shmem_writable_mapped_bytes", Gauge,
     "The part of the mapped bytes that may be written.", {"backend", "shmid"}},
    {Metric::kLargestFreeExtentBytes, "vhost_shmem_largest_free_extent_bytes", Gauge,
     "Length of the largest hole of the region.", {"backend", "shmid"}},
    {Metric::kFreeExtents, "vhost_shmem_free_extents", Gauge, "Number of holes of the region.",
     {"backend", "shmid"}},
    {Metric::kMappings, "vhost_shmem_mappings", Gauge, "Number of settled mappings in the region.",
     {"backend", "shmid"}},
    {Metric::kRegionInfo, "vhost_shmem_region_info", Gauge, "What the region is for; always 1.",
     {"backend", "shmid", "role"}},
    {Metric::kMapRequests, "vhost_shmem_map_requests_total", Counter, "SHMEM_MAP requests seen.",
     {"backend", "shmid"}},
    {Metric::kUnmapRequests, "vhost_shmem_unmap_requests_total", Counter, "SHMEM_UNMAP requests seen.",
     {"backend", "shmid"}},
    {Metric::kMapBytes, "vhost_shmem_map_bytes_total", Counter, "Sum of the lengths of all successful maps.",
     {"backend", "shmid"}},
    {Metric::kMapFailures, "vhost_shmem_map_failures_total", Counter, "SHMEM_MAP requests that failed, by reason.",
     {"backend", "shmid", "reason"}},
    {Metric::kUnmapFailures, "vhost_shmem_unmap_failures_total", Counter,
     "SHMEM_UNMAP requests that failed, by reason.", {"backend", "shmid", "reason"}},
    {Metric::kMapDuration, "vhost_shmem_map_duration_seconds", Histogram,
     "From a request being seen to its answer being seen.", {"backend"}},
    {Metric::kBackendUp, "vhost_shmem_backend_up", Gauge, "Whether the back-end is ACTIVE or PROBED.", {"backend"}},
    {Metric::kBackendInfo, "vhost_shmem_backend_info", Gauge,
     "How the back-end is attached and what dialect it speaks; always 1.",
     {"backend", "mode", "shmem_feature_bit", "num_regions_meaning"}},
    {Metric::kBackendState, "vhost_shmem_backend_state", Gauge, "1 for the state that the back-end is in, else 0.",
     {"backend", "state"}},
    {Metric::kBackendConnects, "vhost_shmem_backend_connects_total", Counter, "Connections made.", {"backend"}},
    {Metric::kBackendDisconnects, "vhost_shmem_backend_disconnects_total", Counter,
     "Connections that ended, by reason.", {"backend", "reason"}},
    {Metric::kBackendResets, "vhost_shmem_backend_resets_total", Counter, "Device resets seen.", {"backend"}},
    {Metric::kConfigQueries, "vhost_shmem_config_queries_total", Counter, "GET_SHMEM_CONFIG requests sent or seen.",
     {"backend"}},
    {Metric::kConfigQueryFailures, "vhost_shmem_config_query_failures_total", Counter,
     "GET_SHMEM_CONFIG requests without a reply that could be understood.", {"backend"}},
    {Metric::kConfigQueryDuration, "vhost_shmem_config_query_duration_seconds", Histogram,
     "From GET_SHMEM_CONFIG to its reply.", {"backend"}},
    {Metric::kFindings, "vhost_shmem_findings", Gauge, "Open findings.", {"backend", "severity", "code"}},
    {Metric::kBuildInfo, "shmemd_build_info", Gauge, "Version of shmemd; always 1.", {"version"}},
    {Metric::kEventsDropped, "shmemd_events_dropped_total", Counter,
     "Events that did not fit into a queue and were caught up with later.", {}},
    {Metric::kScrapeDuration, "shmemd_scrape_duration_seconds", Gauge, "How long the scrape before this one took.",
     {}},
    {Metric::kProcessCpuSeconds, "process_cpu_seconds_total", Counter,
     "Total user and system CPU time spent in seconds.", {}},
    {Metric::kProcessResidentMemoryBytes, "process_resident_memory_bytes", Gauge, "Resident memory size in bytes.",
     {}},
    {Metric::kProcessVirtualMemoryBytes, "process_virtual_memory_bytes", Gauge, "Virtual memory size in bytes.", {}},
    {Metric::kProcessOpenFds, "process_open_fds", Gauge, "Number of open file descriptors.", {}},
    {Metric::kProcessMaxFds, "process_max_fds", Gauge, "Maximum number of open file descriptors.", {}},
    {Metric::kProcessStartTime, "process_start_time_seconds", Gauge,
     "Start time of the process since the Unix epoch in seconds.", {}},
    {Metric::kProcessThreads, "process_threads", Gauge, "Number of threads of the process.", {}},
}};

constexpr bool InOrder() {
  for (size_t i = 0; i < kTable.size(); ++i) {
    if (kTable[i].metric != static_cast<Metric>(i)) return false;
  }
  return true;
}
static_assert(InOrder());

}  // namespace

const std::array<MetricRow, kMetricCount>& MetricTable() { return kTable; }
const MetricRow& RowOf(Metric metric) { return kTable[static_cast<size_t>(metric)]; }

}  // namespace shmemd::metrics
