#include "server/web/parts.h"

#include <absl/strings/ascii.h>
#include <absl/strings/str_cat.h>

#include "server/convert/backend.h"
#include "server/web/map_svg.h"
#include "server/web/text.h"

namespace shmemd::web {
namespace {

constexpr int kRefreshSeconds = 15;

// `body` may be HTML already.
std::string Paragraph(std::string_view css_class, const std::string& body) {
  return absl::StrCat("<p class=\"", std::string(css_class), "\">", body, "</p>\n");
}

struct StateStyle {
  const char* css_class;
  const char* meaning;  // and what to do
};

StateStyle StyleOf(const convert::BackendRecord& record) {
  const bool relay = record.spec.mode == state::Mode::kRelay;
  switch (record.status.state) {
    case state::BackendState::kConnecting:
      return {"wait",
              record.status.cause.reason == state::StateReason::kNone
                  ? "Connecting."
                  : "Not connected yet. shmemd goes on trying: start the back-end, or correct its socket."};
    case state::BackendState::kWaitingForFrontend:
      return {"wait", "The back-end is there. It is the VMM that has not connected yet."};
    case state::BackendState::kNegotiating:
      return {"wait", "Connected. What regions there are is not known yet."};
    case state::BackendState::kActive:
      return {"up", ""};
    case state::BackendState::kProbed:
      return {"up", "Asked once and left alone since: sizes only, mappings are not followed in mode probe."};
    case state::BackendState::kUnsupported:
      return {"down", "It works, but offers no shared memory regions, so there is nothing to see."};
    case state::BackendState::kDisconnected:
      return {"down",
              relay ? "The session has ended. Sizes are as last reported; mappings that the VMM may still "
                      "hold are STALE. The next session begins by itself."
                    : "The connection has ended. Sizes are as last reported, mappings are gone. shmemd goes "
                      "on trying: see why the back-end left."};
    case state::BackendState::kFailed:
      return {"down", "The conversation failed. shmemd goes on trying; the reason says what to correct."};
    case state::BackendState::kDetaching:
      return {"wait", "Being taken off: it goes when its session ends."};
  }
  return {"wait", ""};
}

void AppendFinding(std::string& out, state::FindingCode code, const std::string& summary, uint64_t count,
                   int64_t last_seen_ns) {
  absl::StrAppend(&out, "<li class=\"finding\" data-k=\"", static_cast<int>(code), "\">",
                  WeightMark(WeightOf(state::FindingSeverity(code))), "<div><code>",
                  std::string(state::FindingCodeName(code)), "</code> ", summary,
                  "<details><summary>What to do</summary><p>", Escaped(state::FindingRemedy(code)),
                  "</p><p class=\"quiet\">Seen ", Counted(count, "time"), ", last at ",
                  TimeOfDay(last_seen_ns), " UTC.</p></details></div></li>\n");
}

std::string Capitalized(std::string text) {
  if (!text.empty()) text[0] = absl::ascii_toupper(static_cast<unsigned char>(text[0]));
  return text;
}

}  // namespace

std::string PageBegin(const PageFrame& frame, std::string_view title) {
  std::string out = absl::StrCat(
      "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
      "<meta name=\"color-scheme\" content=\"light dark\">\n<title>",
      Escaped(title), frame.host_name.empty() ? "" : absl::StrCat(" on ", Escaped(frame.host_name)),
      "</title>\n<link rel=\"stylesheet\" href=\"/page.css\">\n"
      "<link rel=\"icon\" href=\"/icon.svg\" type=\"image/svg+xml\">\n<script src=\"/page.js\" "
      "defer></script>\n");
  if (frame.refresh) {
    absl::StrAppend(&out, "<noscript><meta http-equiv=\"refresh\" content=\"", kRefreshSeconds,
                    "\"></noscript>\n");
  }
  absl::StrAppend(&out, "</head>\n<body>\n<a class=\"skip\" href=\"#main\">Skip to content</a>\n",
                  MapPatterns(), "<header class=\"top\">\n<p class=\"brand\"><a href=\"/\">shmemd</a>",
                  frame.host_name.empty()
                      ? ""
                      : absl::StrCat(" <span class=\"host\">on ", Escaped(frame.host_name), "</span>"),
                  "</p>\n<nav aria-label=\"Other views\"><ul><li><a href=\"/metrics\">Metrics</a></li>"
                  "<li><a href=\"/readyz?backends\">Readiness</a></li>"
                  "<li><a href=\"/livez\">Liveness</a></li>"
                  "<li><a href=\"/debug/state.json\">state.json</a></li></ul></nav>\n"
                  "<p id=\"live\"></p>\n</header>\n<main id=\"main\">\n");
  return out;
}

std::string PageEnd(const PageFrame& frame) {
  std::string out = "</main>\n<footer><p>shmemd ";
  absl::StrAppend(
      &out, Escaped(frame.version),
      ". Times are UTC. Everything here, and all of what is left out here: <code>shmemctl</code>.</p>");
  if (frame.refresh) {
    absl::StrAppend(&out, "<noscript><p>This page loads itself again every ", kRefreshSeconds,
                    " s. <a href=\"?refresh=off\">Hold it still</a></p></noscript>");
  } else {
    out += "<noscript><p>This page stands still. <a href=\"?\">Let it load itself again</a></p></noscript>";
  }
  return out += "</footer>\n</body>\n</html>\n";
}

std::string AsOf(int64_t wall_time_ns, bool synced) {
  return absl::StrCat(
      "<p class=\"asof\">As of ", TimeOfDay(wall_time_ns), " UTC</p>\n",
      synced ? ""
             : "<p class=\"why\"><strong>Events were lost</strong>: what is shown is being caught up.</p>\n");
}

std::string WeightMark(Weight weight) {
  switch (weight) {
    case Weight::kNone:
      return "";
    case Weight::kNotice:
      return "<span class=\"mark notice\">notice</span>";
    case Weight::kWarning:
      return "<span class=\"mark warning\">warning</span>";
    case Weight::kError:
      return "<span class=\"mark error\">error</span>";
  }
  return "";
}

std::string StateBadge(const state::BackendStatus& status) {
  convert::BackendRecord record;
  record.status = status;
  return absl::StrCat("<span class=\"state ", StyleOf(record).css_class, "\">",
                      state::BackendStateName(status.state), "</span>");
}

std::string StateParagraph(const convert::BackendRecord& record) {
  std::string out;
  const std::string cause = Capitalized(convert::CauseWords(record.status.cause));
  const StateStyle style = StyleOf(record);
  if (!cause.empty() || *style.meaning != '\0') {
    out = Paragraph("why",
                    absl::StrCat(cause.empty() ? "" : absl::StrCat("<strong>", Escaped(cause), ".</strong> "),
                                 style.meaning));
  }
  const std::string unobserved = state::UnobservedText(record.status.observation);
  if (!unobserved.empty()) {
    out += Paragraph("why",
                     absl::StrCat("<strong>Not followed at the moment</strong>, the VM's traffic goes on: ",
                                  Escaped(unobserved)));
  }
  return out;
}

std::string FindingList(const std::vector<state::Finding>& findings) {
  std::string out;
  std::string notes;
  uint64_t note_count = 0;
  for (const state::Finding& finding : findings) {
    const Weight weight = WeightOf(state::FindingSeverity(finding.code));
    if (weight == Weight::kNotice) ++note_count;
    AppendFinding(weight == Weight::kNotice ? notes : out, finding.code,
                  Escaped(state::FindingSummary(finding)), finding.count, finding.last_seen_ns);
  }
  if (!out.empty()) out = absl::StrCat("<ul class=\"findings\">\n", out, "</ul>\n");
  if (note_count > 0) {
    absl::StrAppend(&out, "<details class=\"notes\"><summary>", Counted(note_count, "note"),
                    "</summary><ul class=\"findings\">\n", notes, "</ul></details>\n");
  }
  return out;
}

std::string ServerFindingList(const std::vector<state::ServerFinding>& findings, bool with_paths) {
  if (findings.empty()) return "";
  std::string out = "<ul class=\"findings\">\n";
  for (const state::ServerFinding& finding : findings) {
    AppendFinding(out, finding.code,
                  with_paths ? Escaped(finding.summary)
                             : "about shmemd itself: the log and <code>shmemctl findings</code> say more",
                  finding.count, finding.last_seen_ns);
  }
  return out += "</ul>\n";
}

std::string RegionTags(const RegionView& region) {
  std::string out;
  const auto tag = [&out](const char* css_class, std::string_view words) {
    out.append(" <span class=\"tag ").append(css_class).append("\">").append(words).append("</span>");
  };
  const state::RegionTotals& totals = region.record.totals;
  const Fullness fullness = FullnessOf(region);
  if (fullness == Fullness::kFull) tag("error", "full");
  if (totals.at_risk_bytes > 0) tag("error", Bytes(totals.at_risk_bytes) + " at risk");
  if (fullness == Fullness::kNearlyFull) tag("warning", "nearly full");
  if (OnlyGrows(region)) tag("warning", "only grows");
  if (region.record.status.exposed == state::Exposed::kNo) tag("warning", "not shown to the guest");
  return out;
}

std::string SeenBytes(uint64_t bytes, bool followed) {
  return followed || bytes > 0 ? Bytes(bytes) : kNotFollowed;
}

std::string UsedCell(const RegionView& region) {
  const convert::RegionRecord& record = region.record;
  if (!region.followed) return kNotFollowed;
  if (!record.size_known) {
    return absl::StrCat("<span class=\"num\">", Bytes(record.totals.mapped_bytes),
                        "</span> <span class=\"quiet\">of a size not known</span>");
  }
  const uint64_t size = record.status.size_bytes;
  const int percent = Percent(record.totals.mapped_bytes, size);
  const Fullness fullness = FullnessOf(region);
  const char* css_class = fullness == Fullness::kFull         ? "full"
                          : fullness == Fullness::kNearlyFull ? "nearly"
                                                              : "room";
  return absl::StrCat("<svg class=\"bar\" aria-hidden=\"true\"><rect class=\"", css_class, "\" width=\"",
                      percent, "%\" height=\"100%\"/></svg><span class=\"num share\">", percent,
                      " %</span> <span class=\"num amount\">", Bytes(record.totals.mapped_bytes), "</span>");
}

std::string BackendAnchor(std::string_view backend_id) { return absl::StrCat("b-", Slug(backend_id)); }

std::string RegionAnchor(std::string_view backend_id, uint8_t shmid) {
  return absl::StrCat("r-", Slug(backend_id), "-", shmid);
}

std::string RegionPath(std::string_view backend_id, uint8_t shmid) {
  return absl::StrCat("/backends/", Slug(backend_id), "/regions/", shmid);
}

}  // namespace shmemd::web
