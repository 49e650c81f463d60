// All that is known as one JSON document, in the proto JSON mapping of the API, bounded: what is left out is
// counted in "omitted".
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "server/feed/hub.h"
#include "server/feed/server_findings.h"

namespace shmemd::web {

// What GetServerInfo says that does not change.
struct ServerFacts {
  std::string version;
  int64_t start_time_ns = 0;  // wall clock
  uint64_t host_page_size_bytes = 0;
  uint64_t max_mappings = 0;
  uint64_t max_window_bytes = 0;
};

struct StateJsonBounds {
  size_t max_mappings = 1000;  // of all regions, shared equally
  // A list takes no more items once the document is this long.
  size_t backends_bytes = size_t{512} << 10;
  size_t findings_bytes = size_t{768} << 10;
  size_t regions_bytes = size_t{1536} << 10;
  size_t mappings_bytes = size_t{2048} << 10;
};

// {"serverInfo": GetServerInfoResponse, "backends": [Backend], "findings": [Finding], "regions": [Region],
// "mappings": [Mapping], "omitted": {list: count}}. Without `with_paths` socket paths, processes, identities
// of files and what findings about shmemd itself name are left out. Locks the replica once for each back-end.
std::string StateJson(const feed::Hub& hub, const feed::ServerFindings* server_findings,
                      const ServerFacts& facts, bool with_paths, const StateJsonBounds& bounds);

}  // namespace shmemd::web
