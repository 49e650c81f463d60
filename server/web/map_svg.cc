#include "server/web/map_svg.h"

#include <absl/strings/str_cat.h>
#include <absl/strings/str_format.h>

#include <algorithm>
#include <array>

#include "server/web/text.h"

namespace shmemd::web {
namespace {

// Narrower ones could not be seen, or pointed at.
constexpr double kMinWidthPercent = 0.4;
// Units of the small map.
constexpr uint64_t kSmallWidth = 512;
constexpr int kSmallHeight = 16;

struct PaintStyle {
  const char* fill;
  const char* name;  // in the legend
  const char* meaning;
};

// By Paint.
constexpr std::array<PaintStyle, kPaintCount> kStyles = {{
    {"url(#p-ro)", "read-only", "mapped, may be read"},
    {"url(#p-rw)", "read-write", "mapped, may be written"},
    {"url(#p-as)", "assumed", "mapped as far as is known: nobody was asked to acknowledge it"},
    {"url(#p-st)", "stale", "its owner may be gone: unsafe to touch"},
    {"url(#p-end)", "beyond the file", "behind the end of its file: an access is SIGBUS"},
}};

const PaintStyle& StyleOf(Paint paint) { return kStyles[static_cast<size_t>(paint)]; }

double PercentOf(uint64_t part, uint64_t whole) {
  return 100.0 * static_cast<double>(part) / static_cast<double>(whole);
}

// Without noughts that say nothing.
std::string Number(double value) {
  std::string text = absl::StrFormat("%.2f", value);
  while (text.ends_with('0')) text.pop_back();
  if (text.ends_with('.')) text.pop_back();
  return text;
}

// What is unsafe is seen however little of a column it is.
int QuartersDrawn(const Segment& segment) {
  return segment.paint >= Paint::kStale ? 4 : std::max<int>(segment.quarters, 1);
}

std::string ShareWords(int quarters) {
  if (quarters == 0) return "less than 25 %";
  return quarters == 4 ? "all or nearly all" : absl::StrCat("about ", 25 * quarters, " %");
}

void AppendRect(std::string& out, const Segment& segment, uint64_t end_bytes) {
  const double width = std::max(PercentOf(segment.to - segment.from, end_bytes), kMinWidthPercent);
  const double left = std::min(PercentOf(segment.from, end_bytes), 100.0 - width);
  const int height = 25 * QuartersDrawn(segment);
  absl::StrAppend(&out, "<rect x=\"", Number(left), "%\" width=\"", Number(width), "%\"");
  if (height < 100) absl::StrAppend(&out, " y=\"", 100 - height, "%\"");
  absl::StrAppend(&out, " height=\"", height, "%\" fill=\"", StyleOf(segment.paint).fill, "\"><title>",
                  SegmentWords(segment), "</title></rect>");
}

void AppendMappingWords(std::string& out, const Segment& segment, const state::Mapping& mapping) {
  absl::StrAppend(&out, mapping.writable() ? ", read-write" : ", read-only");
  switch (mapping.state) {
    case state::MappingState::kMapped:
      out += ", MAPPED";
      break;
    case state::MappingState::kAssumed:
      out += ", ASSUMED: nobody acknowledged it";
      break;
    case state::MappingState::kStale:
      out += ", STALE: its owner may be gone";
      break;
  }
  if (segment.paint == Paint::kBeyondEnd) out += ", beyond the end of its file: an access is SIGBUS";
  const uint64_t fd_offset = mapping.fd_offset + (segment.from - mapping.shm_offset);
  absl::StrAppend(&out, ", ", BackingWords(mapping.fd.kind), " from ", Hex(fd_offset));
  if (mapping.fd.size_bytes >= 0)
    absl::StrAppend(&out, " of ", Bytes(static_cast<uint64_t>(mapping.fd.size_bytes)));
  if (mapping.unmap_pending) out += ", unmap under way";
}

std::string Pattern(const char* id, const char* tint, std::string_view inside) {
  return absl::StrCat("<pattern id=\"", id,
                      "\" width=\"8\" height=\"8\" patternUnits=\"userSpaceOnUse\">"
                      "<rect width=\"8\" height=\"8\" class=\"",
                      tint, "\"/>", absl::string_view(inside.data(), inside.size()), "</pattern>");
}

}  // namespace

const char* BackingWords(base::FdKind kind) {
  switch (kind) {
    case base::FdKind::kMemfd:
      return "memfd";
    case base::FdKind::kHugetlb:
      return "huge pages";
    case base::FdKind::kDmaBuf:
      return "dma-buf";
    case base::FdKind::kFile:
      return "file";
    case base::FdKind::kDevice:
      return "device";
    case base::FdKind::kOther:
      return "descriptor of another kind";
    case base::FdKind::kUnknown:
      break;
  }
  return "unknown file";
}

std::string SegmentWords(const Segment& segment) {
  std::string out =
      absl::StrCat(Hex(segment.from), " to ", Hex(segment.to), " (", Bytes(segment.to - segment.from), ")");
  if (segment.mapping) {
    AppendMappingWords(out, segment, *segment.mapping);
    return out;
  }
  absl::StrAppend(&out, ": ", Counted(segment.mapping_count, "mapping"), ", ", ShareWords(segment.quarters),
                  " of it mapped, at worst ", StyleOf(segment.paint).name);
  return out;
}

std::string MapPatterns() {
  return absl::StrCat(
      "<svg class=\"defs\" width=\"0\" height=\"0\" aria-hidden=\"true\" focusable=\"false\"><defs>",
      Pattern("p-rw", "rw", ""),
      Pattern("p-ro", "tint", "<path class=\"l-rw\" d=\"M-2 2l4-4M0 8l8-8M6 10l4-4\"/>"),
      Pattern("p-as", "tint",
              "<circle class=\"rw\" cx=\"2\" cy=\"2\" r=\"1.3\"/><circle class=\"rw\" cx=\"6\" cy=\"6\" "
              "r=\"1.3\"/>"),
      Pattern("p-st", "stale-tint", "<path class=\"l-stale\" d=\"M2 0v8M6 0v8\"/>"),
      Pattern("p-end", "risk-tint", "<path class=\"l-risk\" d=\"M0 0l8 8M8 0l-8 8\"/>"), "</defs></svg>\n");
}

std::string MapWords(const RegionView& region) {
  const state::RegionTotals& totals = region.record.totals;
  std::string out = "Address space";
  if (region.record.size_known) absl::StrAppend(&out, " of ", Bytes(region.record.status.size_bytes));
  if (!region.followed) {
    out += ": mappings are not followed";
    return totals.stale_bytes == 0 ? out : absl::StrCat(out, ", ", Bytes(totals.stale_bytes), " stale");
  }
  absl::StrAppend(&out, ": ", Counted(totals.mapping_count, "mapping"), ", ", Bytes(totals.mapped_bytes),
                  " mapped");
  if (totals.assumed_bytes > 0) absl::StrAppend(&out, ", ", Bytes(totals.assumed_bytes), " of it assumed");
  if (totals.stale_bytes > 0) absl::StrAppend(&out, ", ", Bytes(totals.stale_bytes), " stale");
  if (totals.at_risk_bytes > 0) absl::StrAppend(&out, ", ", Bytes(totals.at_risk_bytes), " at risk");
  if (region.record.size_known) {
    absl::StrAppend(&out, ", ", Bytes(region.record.free_bytes), " free in ",
                    Counted(region.record.hole_count, "hole"));
  }
  return out;
}

std::string LargeMap(const RegionView& region) {
  const RegionMap& map = region.map;
  // An empty map would say that all is free.
  if (!region.followed && map.segments.empty())
    return "<p class=\"quiet\">What is mapped is not followed.</p>";
  if (map.end_bytes == 0) return "<p class=\"quiet\">Nothing is mapped, and the size is not known.</p>";
  std::string out = absl::StrCat("<svg class=\"map", map.segments.empty() ? " idle" : "",
                                 "\" width=\"100%\" role=\"img\" aria-label=\"", MapWords(region), "\">");
  // What matters most is drawn last: where small ones are widened to be seen it stays on top.
  for (int paint = 0; paint < kPaintCount; ++paint) {
    for (const Segment& segment : map.segments) {
      if (static_cast<int>(segment.paint) == paint) AppendRect(out, segment, map.end_bytes);
    }
  }
  absl::StrAppend(&out, "</svg><p class=\"axis\" aria-hidden=\"true\"><span>0x0</span><span>",
                  Hex(map.end_bytes / 2), "</span><span>", Hex(map.end_bytes),
                  map.size_known ? "" : "&hellip;", "</span></p>\n");
  return out;
}

std::string SmallMap(const RegionView& region) {
  const RegionMap& map = region.map;
  if (!region.followed && map.segments.empty()) return "<span class=\"quiet\">not followed</span>";
  if (map.end_bytes == 0) return "<span class=\"quiet\">size not known</span>";
  std::string out =
      absl::StrCat("<svg class=\"mini\" viewBox=\"0 0 ", kSmallWidth, " ", kSmallHeight,
                   "\" preserveAspectRatio=\"none\" role=\"img\" aria-label=\"", MapWords(region), "\">");
  for (int paint = 0; paint < kPaintCount; ++paint) {
    std::string path;
    for (const Segment& segment : map.segments) {
      if (static_cast<int>(segment.paint) != paint) continue;
      const auto scaled = [&](uint64_t at) {
        return std::min(static_cast<uint64_t>(static_cast<double>(at) / static_cast<double>(map.end_bytes) *
                                              static_cast<double>(kSmallWidth)),
                        kSmallWidth - 2);
      };
      const uint64_t left = scaled(segment.from);
      const uint64_t right = segment.to == map.end_bytes ? kSmallWidth : scaled(segment.to);
      const uint64_t width = std::max<uint64_t>(right - left, 2);
      const int height = kSmallHeight * QuartersDrawn(segment) / 4;
      absl::StrAppend(&path, "M", left, " ", kSmallHeight, "v-", height, "h", width, "v", height, "z");
    }
    if (!path.empty())
      absl::StrAppend(&out, "<path fill=\"", kStyles[static_cast<size_t>(paint)].fill, "\" d=\"", path,
                      "\"/>");
  }
  return out += "</svg>";
}

namespace {

// In the order of the legend.
constexpr std::array<Paint, kPaintCount> kLegend = {Paint::kReadWrite, Paint::kReadOnly, Paint::kAssumed,
                                                    Paint::kStale, Paint::kBeyondEnd};

std::string Swatch(const char* fill) {
  return absl::StrCat(
      "<svg class=\"swatch\" width=\"28\" height=\"16\" aria-hidden=\"true\"><rect width=\"100%\" "
      "height=\"100%\" "
      "fill=\"",
      fill, "\"/></svg>");
}

}  // namespace

std::string MapKey() {
  std::string out = "<p class=\"key\">";
  for (const Paint paint : kLegend)
    absl::StrAppend(&out, "<span>", Swatch(StyleOf(paint).fill), StyleOf(paint).name, "</span> ");
  return absl::StrCat(out, "<span>", Swatch("none"), "free</span> <a href=\"#how\">What they mean</a></p>\n");
}

std::string MapLegend() {
  std::string out = "<dl class=\"legend\">";
  for (const Paint paint : kLegend) {
    absl::StrAppend(&out, "<div><dt>", Swatch(StyleOf(paint).fill), StyleOf(paint).name, "</dt><dd>",
                    StyleOf(paint).meaning, "</dd></div>");
  }
  return absl::StrCat(out, "<div><dt>", Swatch("none"), "free</dt><dd>nothing is mapped</dd></div></dl>\n");
}

}  // namespace shmemd::web
