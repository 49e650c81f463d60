#include "server/metrics/process_collectable.h"

#include <sys/resource.h>
#include <unistd.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <utility>

#include "server/base/clock.h"
#include "server/metrics/samples.h"

namespace shmemd::metrics {
namespace {

double CpuSeconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
         static_cast<double>(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

void AddMemory(Samples& samples) {
  std::ifstream statm("/proc/self/statm");
  uint64_t virtual_pages = 0;
  uint64_t resident_pages = 0;
  if (!(statm >> virtual_pages >> resident_pages)) return;
  const auto page = static_cast<double>(sysconf(_SC_PAGESIZE));
  samples.Add(Metric::kProcessVirtualMemoryBytes, {}, static_cast<double>(virtual_pages) * page);
  samples.Add(Metric::kProcessResidentMemoryBytes, {}, static_cast<double>(resident_pages) * page);
}

void AddEntryCount(Samples& samples, Metric metric, const char* directory) {
  std::error_code error;
  const std::filesystem::directory_iterator entries(directory, error);
  if (error) return;
  samples.Add(metric, {}, static_cast<double>(std::distance(begin(entries), end(entries))));
}

}  // namespace

ProcessCollectable::ProcessCollectable(std::string version, const feed::Hub& hub, Sources sources)
    : version_(std::move(version)),
      hub_(hub),
      sources_(std::move(sources)),
      start_time_seconds_(static_cast<double>(base::WallNanos()) / 1e9) {}

std::vector<prometheus::MetricFamily> ProcessCollectable::Collect() const {
  Samples samples;
  samples.Add(Metric::kBuildInfo, {version_}, 1);
  if (sources_.watchers) samples.Add(Metric::kWatchers, {}, static_cast<double>(sources_.watchers()));
  if (sources_.certificates) {
    for (const Expiry& expiry : sources_.certificates()) {
      samples.Add(Metric::kCertificateExpiry, {expiry.file}, expiry.time);
    }
  }
  samples.Add(Metric::kEventsDropped, {}, static_cast<double>(hub_.dropped_count()));
  samples.Add(Metric::kScrapeDuration, {}, scrape_seconds_.load(std::memory_order_relaxed));
  samples.Add(Metric::kProcessCpuSeconds, {}, CpuSeconds());
  AddMemory(samples);
  AddEntryCount(samples, Metric::kProcessOpenFds, "/proc/self/fd");
  AddEntryCount(samples, Metric::kProcessThreads, "/proc/self/task");
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
    samples.Add(Metric::kProcessMaxFds, {}, static_cast<double>(limit.rlim_cur));
  }
  samples.Add(Metric::kProcessStartTime, {}, start_time_seconds_);
  return samples.TakeFamilies();
}

}  // namespace shmemd::metrics
