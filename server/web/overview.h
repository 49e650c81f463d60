// What the pages show, as copies: taken back-end by back-end, so that the replica is never locked for longer
// than one of them takes, and bounded, whatever is attached. What is left out is counted.
//
// Any thread. Nothing here is text.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "server/convert/record.h"
#include "server/feed/hub.h"
#include "server/feed/server_findings.h"
#include "server/state/event_log.h"
#include "server/web/attention.h"
#include "server/web/region_map.h"

namespace shmemd::web {

struct RegionView {
  convert::RegionRecord record;
  Lately lately;
  RegionMap map;
  bool followed = true;  // else nothing is known of its mappings at this moment
};

struct BackendView {
  convert::BackendRecord record;    // its findings are those about no single region
  std::vector<RegionView> regions;  // by shmid
  uint64_t region_count = 0;        // also of those that are not shown
  bool dense = false;               // many regions: their maps are small, by columns
};

struct Overview {
  uint64_t revision = 0;
  bool synced = true;
  int64_t wall_time_ns = 0;
  std::vector<BackendView> backends;  // those with problems first, then by id
  uint64_t backend_count = 0;
  uint64_t down_count = 0;  // DISCONNECTED or FAILED
  uint64_t unfollowed_count = 0;
  state::BackendTotals totals;  // of all back-ends
  std::vector<state::ServerFinding> server_findings;
  std::vector<state::LogEntry> events;  // the last that are worth a line, newest first
};

struct OverviewBounds {
  size_t max_backends = 200;
  size_t max_regions = 320;
  size_t max_roomy_regions = 24;     // whose maps are large
  size_t roomy_regions_each = 8;     // a back-end with more is dense
  uint64_t mappings_in_a_map = 96;   // of a large map, each a segment
  size_t columns_of_roomy_map = 96;  // where there are more
  size_t columns_of_dense_map = 64;
  size_t findings_of_backend = 12;
  size_t findings_of_region = 4;
  size_t max_events = 12;
};

// `server_findings` may be nullptr. Without `with_paths` findings and events do not name files.
Overview CollectOverview(const feed::Hub& hub, const feed::ServerFindings* server_findings, bool with_paths,
                         const OverviewBounds& bounds);

// One region with everything about it.
struct RegionDetail {
  int64_t wall_time_ns = 0;
  bool synced = true;
  convert::BackendRecord backend;
  RegionView region;
  std::vector<state::Mapping> mappings;  // by offset; those that are unsafe to touch are not left out first
};

struct DetailBounds {
  uint64_t mappings_in_a_map = 400;
  size_t columns = 256;
  size_t max_mappings = 400;
  size_t max_findings = 64;
};

// nullopt: there is no such back-end, or it has no such region.
std::optional<RegionDetail> CollectRegion(const feed::Hub& hub, std::string_view backend_id, uint8_t shmid,
                                          bool with_paths, const DetailBounds& bounds);

}  // namespace shmemd::web
