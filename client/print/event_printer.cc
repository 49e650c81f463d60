#include "client/print/event_printer.h"

#include <absl/strings/str_cat.h>
#include <absl/strings/str_format.h>

#include <string>
#include <utility>
#include <vector>

#include "client/print/resource_name.h"
#include "client/print/text.h"
#include "client/print/units.h"

namespace shmemd::client {
namespace {

namespace v1 = ::vhost::shmem::v1;

constexpr char kNone[] = "-";

// Milliseconds matter between events: "2026-03-01T12:00:00.005Z".
std::string TimeText(const google::protobuf::Timestamp& time) {
  std::string text = FormatTime(time);
  if (!text.empty() && text.back() == 'Z') text.pop_back();
  return absl::StrCat(text, absl::StrFormat(".%03dZ", time.nanos() / 1'000'000));
}

Cell TypeCell(v1::Event::Type type) {
  Color color = Color::kNone;
  if (type == v1::Event::DISCONNECTED || type == v1::Event::EVENTS_LOST) color = Color::kRed;
  if (type == v1::Event::MAP_FAILED || type == v1::Event::UNMAP_FAILED || type == v1::Event::FINDING_RAISED ||
      type == v1::Event::MAPPINGS_STALED) {
    color = Color::kYellow;
  }
  return {v1::Event::Type_Name(type), color};
}

std::string Resource(const v1::Event& event) {
  if (event.backend().empty()) return kNone;
  const std::string backend = ShortName(event.backend());
  return event.has_shmid() ? absl::StrCat(backend, "/", event.shmid()) : backend;
}

}  // namespace

std::string RenderEvents(const v1::ListEventsResponse& events, const PrintStyle& style) {
  std::vector<Column> columns = {
      {"TIME"}, {"TYPE", Align::kLeft, 12}, {"RESOURCE", Align::kLeft, 8}, {"WHAT", Align::kLeft, 20}};
  if (style.wide) columns.insert(columns.end(), {{"LATENCY", Align::kRight}, {"REVISION", Align::kRight}});
  Table table(std::move(columns));
  for (const v1::Event& event : events.events()) {
    std::vector<Cell> cells = {TimeText(event.event_time()), TypeCell(event.type()), Resource(event),
                               event.summary()};
    if (style.wide) {
      cells.insert(cells.end(), {event.has_latency() ? FormatDuration(event.latency()) : kNone,
                                 absl::StrCat(event.revision())});
    }
    table.AddRow(std::move(cells));
  }
  return table.Render(style);
}

std::string RenderEventLine(const v1::Event& event, const PrintStyle& style) {
  constexpr int kTypeWidth = 20;
  constexpr int kResourceWidth = 12;
  const Terminal& terminal = style.terminal;
  const Cell type = TypeCell(event.type());
  std::string line = absl::StrCat(TimeText(event.event_time()), "  ",
                                  Paint(PadRight(type.text, kTypeWidth), type.color, terminal.color), "  ",
                                  PadRight(Resource(event), kResourceWidth), "  ");
  // Colours take no columns.
  const int used = 24 + kTypeWidth + kResourceWidth + 6;
  const std::string summary = Printable(event.summary(), terminal.utf8);
  const bool cut = !style.wide && terminal.width > used + kResourceWidth;
  absl::StrAppend(&line, cut ? Truncate(summary, terminal.width - used, terminal.utf8) : summary, "\n");
  return line;
}

}  // namespace shmemd::client
