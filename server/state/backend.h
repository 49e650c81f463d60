// One attached back-end as it is known: specification, status, regions with their mappings, findings.
//
// Changed only by Apply, which never fails and gives the same result on every copy; so the mover's table and
// the readers' replica cannot drift apart. Not thread-safe: each owner guards its own copy.
#pragma once

#include <absl/container/btree_map.h>

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "server/state/backend_spec.h"
#include "server/state/event.h"
#include "server/state/findings.h"
#include "server/state/region_table.h"
#include "server/state/status.h"

namespace shmemd::state {

// A region: what is known of it, and its mappings.
struct Region {
  RegionStatus status;
  RegionTable table;

  // Whether lists show it: its size was reported, or something was mapped into it.
  bool listed() const { return status.reported || table.totals().mapping_count > 0; }
};

// Sums over the listed regions.
struct BackendTotals {
  uint64_t region_count = 0;
  uint64_t size_bytes = 0;  // saturates
  uint64_t mapping_count = 0;
  uint64_t mapped_bytes = 0;
  uint64_t stale_bytes = 0;
  uint64_t at_risk_bytes = 0;
  uint64_t open_finding_count = 0;
};

class Backend {
 public:
  using FindingKey = std::pair<int16_t, FindingCode>;  // shmid first: lists are ordered by it
  using Regions = absl::btree_map<uint8_t, Region>;
  using Findings = absl::btree_map<FindingKey, Finding>;

  // `uid` is unique for this attachment; `page_size` is the host's, in bytes.
  Backend(BackendHandle handle, BackendSpec spec, std::string uid, int64_t create_time_ns,
          uint64_t page_size);
  Backend(const Backend&) = delete;
  Backend& operator=(const Backend&) = delete;

  // The rules of our own front-end, for a request that is about to be answered. kUnknownShmid for a shmid
  // without a reported size; to unmap, only if nothing is mapped there either. Limits (mappings, window,
  // mmap) are the session's.
  RequestFailure CheckMap(const MapRequest& request) const;
  RequestFailure CheckUnmap(const UnmapRequest& request) const;

  // Takes what happened. Findings that follow from it are raised here.
  void Apply(const Event& event);

  BackendHandle handle() const { return handle_; }
  const BackendSpec& spec() const { return spec_; }
  const std::string& uid() const { return uid_; }
  uint64_t page_size() const { return page_size_; }
  const BackendStatus& status() const { return status_; }
  // Every shmid that was ever named, also those that are not listed (their counters count).
  const Regions& regions() const { return regions_; }
  // nullptr: never named.
  const Region* FindRegion(uint8_t shmid) const;
  const Findings& findings() const { return findings_; }
  BackendTotals Totals() const;
  // ACTIVE or PROBED.
  bool up() const;

  // For a replica that catches up: absolute values instead of events. Applying the same slice twice changes
  // nothing.
  void RestoreStatus(const BackendStatus& status);
  void RestoreRegion(const RegionStatus& status);
  void RestoreMapping(const Mapping& mapping);
  // Replaces all findings: events that came before the mappings they speak of may have raised wrong ones.
  void RestoreFindings(const std::vector<Finding>& findings);

 private:
  void Take(const Connected& body, const Event& event);
  void Take(const FrontendConnected& body, const Event& event);
  void Take(const StateChanged& body, const Event& event);
  void Take(const Disconnected& body, const Event& event);
  void Take(const FeaturesSeen& body, const Event& event);
  void Take(const RegionReported& body, const Event& event);
  void Take(const RegionRetired& body, const Event& event);
  void Take(const ConfigSeen& body, const Event& event);
  void Take(const QueryDone& body, const Event& event);
  void Take(const MapRequested& body, const Event& event);
  void Take(const MapSettled& body, const Event& event);
  void Take(const UnmapRequested& body, const Event& event);
  void Take(const UnmapSettled& body, const Event& event);
  void Take(const FindingRaised& body, const Event& event);
  void Take(const FindingClosed& body, const Event& event);
  void Take(const MappingsStaled& body, const Event& event);
  void Take(const MappingsCleared& body, const Event& event);
  void Take(const PeaksReset& body, const Event& event);
  void Take(const DeviceStateChanged& body, const Event& event);
  void Take(const DeviceReset& body, const Event& event);
  void Take(const MappingEchoed& body, const Event& event);
  void Take(const ObservationChanged& body, const Event& event);
  void Take(const TrafficCounted& body, const Event& event);
  void Take(const ForwardsTimed& body, const Event& event);
  void Take(const GuardActed& body, const Event& event);

  Region& Named(uint8_t shmid, int64_t wall_time_ns);
  void Map(Region& region, const MapSettled& body, const Event& event);
  void RaiseForMap(const Region& region, const MapSettled& body, RegionTable::Outcome outcome,
                   const std::optional<Mapping>& other, const Event& event);
  void ClearMappings(int64_t wall_time_ns);
  void StaleMappings(int64_t wall_time_ns);
  void RestartPeaks(int16_t of);
  void SettlePending(int64_t ack_latency_ns);

  void Raise(FindingCode code, int16_t shmid, const EvidenceList& evidence, int64_t wall_time_ns);
  void Close(FindingCode code, int16_t shmid);
  // Closes the findings about mappings that the region had and has no more.
  void CloseOddities(const Region& region, uint16_t before);
  void SetFileSize(Region& region, const MappingEchoed& body, int64_t wall_time_ns);
  bool AnyRegionHas(uint16_t oddity) const;

  BackingPool pool_;
  BackendHandle handle_;
  BackendSpec spec_;
  std::string uid_;
  uint64_t page_size_;
  BackendStatus status_;
  Regions regions_;
  Findings findings_;
};

}  // namespace shmemd::state
