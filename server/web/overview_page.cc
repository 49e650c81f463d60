#include "server/web/overview_page.h"

#include <absl/strings/str_cat.h>

#include <algorithm>

#include "server/convert/event.h"
#include "server/web/attention.h"
#include "server/web/map_svg.h"
#include "server/web/text.h"

namespace shmemd::web {
namespace {

constexpr size_t kMaxConcerns = 12;
constexpr size_t kMaxPlaces = 4;
constexpr int kRoomyColumns = 6;

void AppendTile(std::string& out, const char* name, const std::string& value, const std::string& note,
                const char* css_class = "") {
  absl::StrAppend(&out, "<div class=\"tile ", css_class, "\"><dt>", name, "</dt><dd>", value);
  if (!note.empty()) absl::StrAppend(&out, " <span class=\"note\">", note, "</span>");
  out += "</dd></div>\n";
}

std::string Summary(const Overview& overview) {
  const state::BackendTotals& totals = overview.totals;
  std::string out = "<dl class=\"tiles\">\n";
  AppendTile(out, "Back-ends", Count(overview.backend_count),
             overview.down_count > 0 ? absl::StrCat(Count(overview.down_count), " down") : "",
             overview.down_count > 0 ? "bad" : "");
  const bool any_followed = overview.unfollowed_count < overview.backend_count;
  AppendTile(out, "Regions", Count(totals.region_count),
             any_followed || totals.mapping_count > 0 ? Counted(totals.mapping_count, "mapping") : "");
  AppendTile(out, "Mapped", any_followed ? Bytes(totals.mapped_bytes) : kNotFollowed,
             absl::StrCat(totals.size_bytes > 0 ? absl::StrCat("of ", Bytes(totals.size_bytes)) : "",
                          any_followed && overview.unfollowed_count > 0
                              ? absl::StrCat(", without ", Counted(overview.unfollowed_count, "back-end"),
                                             " not followed")
                              : ""));
  AppendTile(out, "At risk", SeenBytes(totals.at_risk_bytes, any_followed), "",
             totals.at_risk_bytes > 0 ? "bad" : "");
  AppendTile(out, "Findings", Count(totals.open_finding_count + overview.server_findings.size()), "");
  return out += "</dl>\n";
}

std::string PlaceLink(const Place& place) {
  if (place.backend_id.empty()) return "<a href=\"#server\">shmemd itself</a>";
  const std::string anchor =
      place.shmid ? RegionAnchor(place.backend_id, *place.shmid) : BackendAnchor(place.backend_id);
  return absl::StrCat("<a href=\"#", anchor, "\">", Escaped(place.backend_id),
                      place.shmid ? absl::StrCat(" region ", *place.shmid) : "", "</a>");
}

void AppendConcern(std::string& out, const Concern& concern) {
  absl::StrAppend(&out, "<li>", WeightMark(concern.weight), " <span class=\"where\">");
  for (size_t i = 0; i < std::min(concern.places.size(), kMaxPlaces); ++i)
    absl::StrAppend(&out, i == 0 ? "" : ", ", PlaceLink(concern.places[i]));
  if (concern.places.size() > kMaxPlaces)
    absl::StrAppend(&out, " and ", concern.places.size() - kMaxPlaces, " more");
  absl::StrAppend(&out, "</span> <span class=\"what\">",
                  concern.code.empty() ? "" : absl::StrCat("<code>", Escaped(concern.code), "</code> "),
                  Escaped(concern.what), "</span></li>\n");
}

// Of those whose mappings are not followed nobody knows whether they are full.
std::string AllClear(const Overview& overview) {
  const uint64_t unfollowed = overview.unfollowed_count;
  if (unfollowed == 0) {
    return "<h2 id=\"attention\">Nothing needs attention</h2>\n<p class=\"quiet\">No back-end is down, no "
           "region "
           "is full, no byte at risk.</p>";
  }
  return absl::StrCat(
      "<h2 id=\"attention\">Nothing is known to need attention</h2>\n<p class=\"quiet\">No back-end is "
      "down. ",
      unfollowed < overview.backend_count
          ? "Of those that are followed no region is full and no byte at risk. "
          : "",
      "What is mapped is not followed in ", Counted(unfollowed, "back-end"), ".</p>");
}

std::string Attention(const std::vector<Concern>& concerns, const Overview& overview) {
  std::string out = "<section class=\"attention\" aria-labelledby=\"attention\">\n";
  if (concerns.empty()) {
    // Of nothing nothing can be said.
    if (overview.backend_count == 0) return "";
    return absl::StrCat(out, AllClear(overview), "</section>\n");
  }
  absl::StrAppend(&out, "<h2 id=\"attention\">Needs attention <span class=\"count\">", concerns.size(),
                  "</span></h2>\n<ol class=\"concerns\">\n");
  for (size_t i = 0; i < std::min(concerns.size(), kMaxConcerns); ++i) AppendConcern(out, concerns[i]);
  out += "</ol>\n";
  if (concerns.size() > kMaxConcerns) {
    absl::StrAppend(&out, "<p class=\"quiet\">", concerns.size() - kMaxConcerns,
                    " more stand with their back-ends below.</p>\n");
  }
  return out += "</section>\n";
}

std::string NumberCell(const char* label, const std::string& value, const char* css_class = "") {
  return absl::StrCat("<td class=\"n ", css_class, "\" data-l=\"", label, "\">", value, "</td>");
}

// Those that are STALE are counted also where no new ones are seen.
std::string MappingCount(const RegionView& region) {
  const uint64_t count = region.record.totals.mapping_count;
  return region.followed || count > 0 ? Count(count) : kNotFollowed;
}

std::string Numbers(const RegionView& region) {
  const convert::RegionRecord& record = region.record;
  const std::string unknown = region.followed ? "<span class=\"quiet\">unknown</span>" : kNotFollowed;
  const bool room_known = record.size_known && region.followed;
  std::string lately = "<span class=\"quiet\">quiet</span>";
  if (region.lately.maps > 0 || region.lately.unmaps > 0)
    lately = absl::StrCat("+", Count(region.lately.maps), " &minus;", Count(region.lately.unmaps));
  return absl::StrCat("<td class=\"used\" data-l=\"mapped\">", UsedCell(region), "</td>",
                      NumberCell("free", room_known ? Bytes(record.free_bytes) : unknown),
                      NumberCell("largest hole", room_known ? Bytes(record.largest_hole_bytes) : unknown),
                      NumberCell("mappings", MappingCount(region)), NumberCell("lately", lately));
}

std::string RegionHead(const std::string& backend_id, const RegionView& region) {
  const uint8_t shmid = region.record.status.shmid;
  return absl::StrCat("<th scope=\"row\"><a href=\"", RegionPath(backend_id, shmid), "\">Region ", shmid,
                      "</a> <span class=\"size\">",
                      region.record.size_known ? Bytes(region.record.status.size_bytes) : "size unknown",
                      "</span>", RegionTags(region), "</th>");
}

void AppendRegion(std::string& out, const std::string& backend_id, const RegionView& region, bool dense) {
  const int columns = kRoomyColumns + (dense ? 1 : 0);
  absl::StrAppend(&out, "<tbody id=\"", RegionAnchor(backend_id, region.record.status.shmid),
                  "\" class=\"region\">\n<tr class=\"nums\">", RegionHead(backend_id, region));
  if (dense) absl::StrAppend(&out, "<td class=\"small\">", SmallMap(region), "</td>");
  absl::StrAppend(&out, Numbers(region), "</tr>\n");
  if (!dense)
    absl::StrAppend(&out, "<tr class=\"pic\"><td colspan=\"", columns, "\">", LargeMap(region),
                    "</td></tr>\n");
  if (!region.record.findings.empty()) {
    absl::StrAppend(&out, "<tr class=\"notes\"><td colspan=\"", columns, "\">",
                    FindingList(region.record.findings), "</td></tr>\n");
  }
  out += "</tbody>\n";
}

void AppendRegions(std::string& out, const BackendView& backend) {
  const std::string& id = backend.record.spec.id;
  if (backend.regions.empty()) return;
  absl::StrAppend(&out, "<table class=\"regions ", backend.dense ? "dense" : "roomy",
                  "\">\n<caption class=\"vh\">Shared memory regions of ", Escaped(id),
                  "</caption>\n<thead><tr><th scope=\"col\">Region</th>",
                  backend.dense ? "<th scope=\"col\" class=\"small\">Address space</th>" : "",
                  "<th scope=\"col\" class=\"used\">Mapped</th><th scope=\"col\" class=\"n\">Free</th>"
                  "<th scope=\"col\" class=\"n\">Largest hole</th><th scope=\"col\" class=\"n\">Mappings</th>"
                  "<th scope=\"col\" class=\"n\" title=\"maps and unmaps among the last "
                  "events\">Lately</th></tr></thead>\n");
  for (const RegionView& region : backend.regions) AppendRegion(out, id, region, backend.dense);
  out += "</table>\n";
}

std::string NoRegions(const state::BackendStatus& status) {
  if (status.state != state::BackendState::kActive && status.state != state::BackendState::kProbed) return "";
  return status.config.source == state::ConfigSource::kNotSeen
             ? "<p class=\"quiet\">Nobody has asked for the sizes of the regions, and no mapping was "
               "seen.</p>\n"
             : "<p class=\"quiet\">The back-end says that it has no regions.</p>\n";
}

const char* ConnectedWords(state::BackendState state) {
  if (state == state::BackendState::kProbed) return "asked at";
  return IsDown(state) ? "last connected at" : "connected since";
}

std::string BackendNumbers(const convert::BackendRecord& record) {
  std::string out = Counted(record.totals.region_count, "region");
  const bool followed = IsFollowed(record.spec.mode, record.status);
  if (followed) absl::StrAppend(&out, ", ", Bytes(record.totals.mapped_bytes), " mapped");
  if (record.totals.size_bytes > 0) absl::StrAppend(&out, " of ", Bytes(record.totals.size_bytes));
  if (!followed) out += ", mappings not followed";
  if (record.status.connect_time_ns != 0)
    absl::StrAppend(&out, ", ", ConnectedWords(record.status.state), " ",
                    TimeOfDay(record.status.connect_time_ns));
  return out;
}

std::string Paths(const convert::BackendRecord& record) {
  std::string out =
      absl::StrCat("<p class=\"paths\">back-end <code>", Escaped(record.spec.backend_socket), "</code>");
  if (!record.spec.frontend_socket.empty())
    absl::StrAppend(&out, ", VMM <code>", Escaped(record.spec.frontend_socket), "</code>");
  for (const auto& [side, peer] :
       {std::pair("back-end", &record.status.peer), std::pair("VMM", &record.status.frontend_peer)}) {
    if (!peer->known) continue;
    const std::string_view comm(peer->comm.data(), strnlen(peer->comm.data(), peer->comm.size()));
    absl::StrAppend(&out, ", ", side, " process ", comm.empty() ? "" : Escaped(comm) + " ");
    if (peer->pid != 0) absl::StrAppend(&out, peer->pid, " ");
    absl::StrAppend(&out, "of uid ", peer->uid);
  }
  return out += "</p>\n";
}

void AppendBackend(std::string& out, const BackendView& backend, const PageFrame& frame) {
  const convert::BackendRecord& record = backend.record;
  const std::string anchor = BackendAnchor(record.spec.id);
  absl::StrAppend(&out, "<section class=\"backend", IsDown(record.status.state) ? " gone" : "", "\" id=\"",
                  anchor, "\" aria-labelledby=\"h-", anchor, "\">\n<header><h3 id=\"h-", anchor, "\">",
                  Escaped(record.spec.id), "</h3> ", StateBadge(record.status), " <span class=\"chip\">",
                  state::ModeName(record.spec.mode), "</span>");
  if (record.status.device_state != state::DeviceState::kUnknown) {
    absl::StrAppend(&out, " <span class=\"chip\">device ",
                    record.status.device_state == state::DeviceState::kStarted ? "started" : "stopped",
                    "</span>");
  }
  absl::StrAppend(&out, "<p class=\"sum\">", BackendNumbers(record), "</p></header>\n");
  if (frame.with_paths) out += Paths(record);
  absl::StrAppend(&out, StateParagraph(record), FindingList(record.findings));
  if (backend.region_count == 0) out += NoRegions(record.status);
  AppendRegions(out, backend);
  if (backend.region_count > backend.regions.size()) {
    absl::StrAppend(
        &out, "<p class=\"quiet\">", Counted(backend.region_count - backend.regions.size(), "region"),
        " more are not shown here: <code>shmemctl regions ", Escaped(record.spec.id), "</code></p>\n");
  }
  out += "</section>\n";
}

std::string Empty() {
  return "<section class=\"empty\">\n<h2>No back-end is attached</h2>\n"
         "<p>shmemd shows the shared memory of vhost-user back-ends once it is told of them. Name them in "
         "the "
         "configuration, or attach one while it runs:</p>\n"
         "<pre><code># between a VMM and its back-end, next to a running VM\n"
         "shmemctl attach media0 --relay LISTEN.sock,BACKEND.sock\n\n"
         "# as the only front-end of a back-end, without a VM\n"
         "shmemctl attach gpu0 --frontend BACKEND.sock</code></pre>\n</section>\n";
}

std::string Backends(const Overview& overview, const PageFrame& frame) {
  if (overview.backend_count == 0) return Empty();
  std::string out = "<section aria-labelledby=\"backends\">\n<h2 id=\"backends\">Back-ends</h2>\n";
  out += MapKey();
  for (const BackendView& backend : overview.backends) AppendBackend(out, backend, frame);
  if (overview.backend_count > overview.backends.size()) {
    absl::StrAppend(&out, "<p class=\"quiet\">",
                    Counted(overview.backend_count - overview.backends.size(), "back-end"),
                    " more are not shown here: <code>shmemctl backends</code></p>\n");
  }
  return out += "</section>\n";
}

std::string Events(const std::vector<state::LogEntry>& events) {
  if (events.empty()) return "";
  std::string out =
      "<section aria-labelledby=\"lately\">\n<h2 id=\"lately\">Lately</h2>\n<table class=\"events\">\n"
      "<caption class=\"vh\">What happened last, newest first</caption>\n<thead><tr><th "
      "scope=\"col\">Time</th>"
      "<th scope=\"col\">Back-end</th><th scope=\"col\">What</th></tr></thead>\n<tbody>\n";
  for (const state::LogEntry& entry : events) {
    const std::optional<uint8_t> shmid = convert::ShmidOf(entry);
    absl::StrAppend(&out, "<tr><td>", TimeOfDay(entry.wall_time_ns), "</td><th scope=\"row\">",
                    entry.backend_id.empty() ? ""
                                             : absl::StrCat("<a href=\"#", BackendAnchor(entry.backend_id),
                                                            "\">", Escaped(entry.backend_id), "</a>"),
                    shmid ? absl::StrCat(" region ", *shmid) : "", "</th><td>",
                    Escaped(convert::ToProto(entry).summary()), "</td></tr>\n");
  }
  return out +=
         "</tbody></table>\n<p class=\"quiet\">Maps and unmaps that went well are left out; <code>shmemctl "
         "events "
         "-f</code> has all.</p></section>\n";
}

std::string Title(const std::vector<Concern>& concerns) {
  const auto urgent = std::count_if(concerns.begin(), concerns.end(),
                                    [](const Concern& concern) { return concern.weight > Weight::kNotice; });
  return urgent == 0 ? "shmemd" : absl::StrCat("(", urgent, ") shmemd");
}

}  // namespace

std::string OverviewPage(const Overview& overview, const PageFrame& frame) {
  const std::vector<Concern> concerns = ConcernsOf(overview);
  std::string out = PageBegin(frame, Title(concerns));
  absl::StrAppend(&out, "<h1>VIRTIO shared memory</h1>\n", AsOf(overview.wall_time_ns, overview.synced));
  if (overview.backend_count > 0) out += Summary(overview);
  out += Attention(concerns, overview);
  if (!overview.server_findings.empty()) {
    absl::StrAppend(&out, "<section class=\"backend\" id=\"server\"><h2>shmemd itself</h2>\n",
                    ServerFindingList(overview.server_findings, frame.with_paths), "</section>\n");
  }
  out += Backends(overview, frame);
  if (overview.backend_count > 0) {
    absl::StrAppend(
        &out, "<section class=\"how\" aria-labelledby=\"how\">\n<h2 id=\"how\">How to read the maps</h2>\n",
        MapLegend(), "</section>\n");
  }
  absl::StrAppend(&out, Events(overview.events), PageEnd(frame));
  return out;
}

}  // namespace shmemd::web
