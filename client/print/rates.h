// How fast things go on: differences of the counts of regions between two looks. Values and a meter that
// remembers the look before; no clock, no I/O.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "vhost/shmem/v1/inspector.pb.h"

namespace shmemd::client {

// What one shmemd said within one look.
struct RateLook {
  ::vhost::shmem::v1::GetServerInfoResponse info;
  ::vhost::shmem::v1::ListBackendsResponse backends;
  ::vhost::shmem::v1::ListRegionsResponse regions;
  ::vhost::shmem::v1::ListEventsResponse events;  // answered requests; old ones are left out by the meter
  std::chrono::steady_clock::time_point time;     // when the counts were read
};

// How long answers took, among those whose events were still kept.
struct AckTimes {
  int64_t count = 0;
  int64_t median_ns = 0;
  int64_t max_ns = 0;
};

struct RegionRate {
  ::vhost::shmem::v1::Region region;
  // In a second; nullopt: not known, for the region was not there before, or its counts began anew.
  std::optional<double> maps;
  std::optional<double> unmaps;
  std::optional<double> map_bytes;
  std::optional<double> failures;  // of maps and unmaps
  AckTimes acks;                   // since the look before
};

class RateMeter {
 public:
  // What went on since the look before. Another attachment of a back-end, another shmemd, and counts that
  // fell begin anew: no rate is negative, none is of what happened before the first look.
  std::vector<RegionRate> Take(const RateLook& look);

  // Seconds between the last two looks; nullopt: there was one at most.
  std::optional<double> interval() const { return interval_; }
  // After this moment of the server's clock events are new; absent: all that are kept.
  const std::optional<google::protobuf::Timestamp>& newest_event() const { return newest_event_; }

 private:
  struct Counts {
    std::string uid;  // of the back-end's attachment
    int64_t maps = 0;
    int64_t unmaps = 0;
    int64_t map_bytes = 0;
    int64_t failures = 0;
  };
  static Counts CountsOf(const ::vhost::shmem::v1::Region& region, const std::string& uid);
  void AddRates(const Counts& now, RegionRate* rate) const;
  std::map<std::string, AckTimes> TakeEvents(const RateLook& look);

  std::string server_;  // when it was started
  std::map<std::string, Counts> before_;
  std::chrono::steady_clock::time_point time_;
  std::optional<double> interval_;
  int64_t revision_ = 0;
  std::optional<google::protobuf::Timestamp> newest_event_;
};

enum class RateOrder { kMaps, kUnmaps, kBytes, kMapped, kUsed, kAtRisk, kFailures, kLatency, kName };

// Most first; by name first where equal, or asked for. What is not known comes last.
void SortRates(RateOrder order, std::vector<const RegionRate*>* rates);

}  // namespace shmemd::client
