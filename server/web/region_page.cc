#include "server/web/region_page.h"

#include <absl/strings/str_cat.h>

#include "server/convert/backend.h"
#include "server/web/map_svg.h"
#include "server/web/text.h"

namespace shmemd::web {
namespace {

const char* AccessWords(const state::Mapping& mapping) {
  return mapping.writable() ? "read-write" : "read-only";
}

// The state, and what is unsafe.
std::string StateWords(const state::Mapping& mapping) {
  std::string out;
  switch (mapping.state) {
    case state::MappingState::kMapped:
      out = "MAPPED";
      break;
    case state::MappingState::kAssumed:
      out = "ASSUMED";
      break;
    case state::MappingState::kStale:
      out = "<span class=\"tag error\">STALE</span>";
      break;
  }
  if (mapping.state != state::MappingState::kStale && mapping.beyond_eof_bytes() > 0) {
    absl::StrAppend(&out, " <span class=\"tag error\">", Bytes(mapping.beyond_eof_bytes()),
                    " beyond its file</span>");
  }
  if (mapping.unmap_pending) out += " <span class=\"tag notice\">unmap under way</span>";
  return out;
}

std::string FileWords(const state::Mapping& mapping, bool with_identity) {
  std::string out = BackingWords(mapping.fd.kind);
  if (mapping.fd.size_bytes >= 0)
    absl::StrAppend(&out, " of ", Bytes(static_cast<uint64_t>(mapping.fd.size_bytes)));
  absl::StrAppend(&out, ", from ", Hex(mapping.fd_offset));
  if (with_identity) absl::StrAppend(&out, ", inode ", mapping.fd.inode, " on ", Hex(mapping.fd.device));
  return out;
}

void AppendMapping(std::string& out, const state::Mapping& mapping, const PageFrame& frame) {
  absl::StrAppend(&out, "<tr><th scope=\"row\" data-l=\"offset\">", Hex(mapping.shm_offset),
                  "</th><td class=\"n\" data-l=\"length\">", Bytes(mapping.len),
                  "</td><td data-l=\"access\">", AccessWords(mapping), "</td><td data-l=\"state\">",
                  StateWords(mapping), "</td><td data-l=\"file\">", FileWords(mapping, frame.with_paths),
                  "</td><td data-l=\"since\">", TimeOfDay(mapping.request_time_ns), "</td></tr>\n");
}

std::string Mappings(const RegionDetail& detail, const PageFrame& frame) {
  const convert::RegionRecord& record = detail.region.record;
  if (!detail.region.followed && detail.mappings.empty()) {
    return absl::StrCat(
        "<section aria-labelledby=\"mappings\">\n<h2 id=\"mappings\">Mappings</h2>\n"
        "<p class=\"quiet\">They are not followed: ",
        Escaped(convert::WhyUnobserved(detail.backend.spec.mode, detail.backend.status)),
        ".</p></section>\n");
  }
  std::string out = absl::StrCat(
      "<section aria-labelledby=\"mappings\">\n<h2 id=\"mappings\">Mappings <span class=\"count\">",
      Count(record.totals.mapping_count), "</span></h2>\n");
  if (detail.mappings.empty()) {
    return out += "<p class=\"quiet\">Nothing is mapped here at this moment.</p></section>\n";
  }
  if (record.totals.mapping_count > detail.mappings.size()) {
    absl::StrAppend(
        &out, "<p class=\"quiet\">", Count(detail.mappings.size()),
        " of them are shown, those that are unsafe among the first; all: <code>shmemctl mappings ",
        Escaped(record.backend_id), "/", record.status.shmid, "</code></p>\n");
  }
  out +=
      "<table class=\"mappings\">\n<caption class=\"vh\">Mappings by offset</caption>\n<thead><tr>"
      "<th scope=\"col\">Offset</th><th scope=\"col\" class=\"n\">Length</th><th scope=\"col\">Access</th>"
      "<th scope=\"col\">State</th><th scope=\"col\">File</th><th "
      "scope=\"col\">Since</th></tr></thead>\n<tbody>\n";
  for (const state::Mapping& mapping : detail.mappings) AppendMapping(out, mapping, frame);
  return out += "</tbody></table>\n</section>\n";
}

void AppendNumber(std::string& out, const char* name, const std::string& value, bool bad = false) {
  absl::StrAppend(&out, "<div class=\"tile", bad ? " bad" : "", "\"><dt>", name, "</dt><dd>", value,
                  "</dd></div>\n");
}

std::string Numbers(const RegionDetail& detail) {
  const convert::RegionRecord& record = detail.region.record;
  const state::RequestCounters& counters = record.status.counters;
  std::string out = "<dl class=\"tiles small\">\n";
  AppendNumber(out, "Size", record.size_known ? Bytes(record.status.size_bytes) : "unknown");
  const bool followed = detail.region.followed;
  AppendNumber(out, "Mapped", followed ? Bytes(record.totals.mapped_bytes) : kNotFollowed);
  AppendNumber(out, "Highest", SeenBytes(record.status.peak_mapped_bytes, followed));
  if (!followed) {
    AppendNumber(out, "Free", kNotFollowed);
  } else if (record.size_known) {
    AppendNumber(out, "Free", Bytes(record.free_bytes), FullnessOf(detail.region) == Fullness::kFull);
    AppendNumber(out, "Largest hole",
                 absl::StrCat(Bytes(record.largest_hole_bytes), " <span class=\"note\">of ",
                              Counted(record.hole_count, "hole"), "</span>"));
  }
  AppendNumber(out, "At risk", SeenBytes(record.totals.at_risk_bytes, followed),
               record.totals.at_risk_bytes > 0);
  AppendNumber(out, "Maps",
               absl::StrCat(Count(counters.map_requests), " <span class=\"note\">",
                            Count(counters.map_failure_count()), " failed</span>"));
  AppendNumber(out, "Unmaps",
               absl::StrCat(Count(counters.unmap_requests), " <span class=\"note\">",
                            Count(counters.unmap_failure_count()), " failed</span>"));
  return out += "</dl>\n";
}

}  // namespace

std::string RegionPage(const RegionDetail& detail, const PageFrame& frame) {
  const convert::RegionRecord& record = detail.region.record;
  const std::string id = Escaped(record.backend_id);
  std::string out =
      PageBegin(frame, absl::StrCat(record.backend_id, " region ", record.status.shmid, " - shmemd"));
  absl::StrAppend(&out, "<p class=\"crumbs\"><a href=\"/#",
                  RegionAnchor(record.backend_id, record.status.shmid),
                  "\">&larr; All back-ends</a></p>\n<h1>", id, ", region ", record.status.shmid, " ",
                  StateBadge(detail.backend.status), RegionTags(detail.region), "</h1>\n",
                  AsOf(detail.wall_time_ns, detail.synced));
  if (frame.with_paths)
    absl::StrAppend(&out, "<p class=\"paths\"><code>", Escaped(detail.backend.spec.backend_socket),
                    "</code></p>\n");
  absl::StrAppend(&out, StateParagraph(detail.backend), "<div class=\"tall\">", LargeMap(detail.region),
                  "</div>\n", MapLegend(), Numbers(detail));
  if (!record.findings.empty()) {
    absl::StrAppend(&out, "<section aria-labelledby=\"findings\"><h2 id=\"findings\">Findings</h2>\n",
                    FindingList(record.findings), "</section>\n");
  }
  absl::StrAppend(&out, Mappings(detail, frame), PageEnd(frame));
  return out;
}

}  // namespace shmemd::web
