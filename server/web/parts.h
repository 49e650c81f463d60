// Pieces that the pages share: frame, findings, states. Pure functions that return whole elements of HTML.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "server/web/attention.h"
#include "server/web/overview.h"

namespace shmemd::web {

// What every page knows of the server.
struct PageFrame {
  std::string version;
  std::string host_name;    // empty: not known
  bool with_paths = false;  // socket paths, processes, identities of files
  bool refresh = true;      // without a script: load it again every now and then
};

// From the doctype to the begin of <main>. `title` is plain text.
std::string PageBegin(const PageFrame& frame, std::string_view title);
std::string PageEnd(const PageFrame& frame);

// "as of", and whether it is whole.
std::string AsOf(int64_t wall_time_ns, bool synced);

// "error", "warning" or "notice" with its sign; empty for kNone.
std::string WeightMark(Weight weight);
std::string StateBadge(const state::BackendStatus& status);
// What the state means and what to do about it; empty where there is nothing to say.
std::string StateParagraph(const convert::BackendRecord& record);
// Those that are only worth knowing are folded away.
std::string FindingList(const std::vector<state::Finding>& findings);
std::string ServerFindingList(const std::vector<state::ServerFinding>& findings, bool with_paths);

// Small words about a region: full, at risk, only grows, ...
std::string RegionTags(const RegionView& region);
// Instead of a number that nobody knows.
inline constexpr char kNotFollowed[] = "<span class=\"quiet\">not followed</span>";
// "0 B" where it is known, else what nobody has seen; more than nothing was seen before.
std::string SeenBytes(uint64_t bytes, bool followed);
// The share that is mapped, as a bar and in words.
std::string UsedCell(const RegionView& region);

std::string BackendAnchor(std::string_view backend_id);
std::string RegionAnchor(std::string_view backend_id, uint8_t shmid);
// Path of the region's own page.
std::string RegionPath(std::string_view backend_id, uint8_t shmid);

}  // namespace shmemd::web
