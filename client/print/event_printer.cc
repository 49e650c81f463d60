#include "client/print/event_printer.h"

#include <absl/strings/str_cat.h>
#include <absl/strings/str_format.h>

#include <algorithm>
#include <limits>
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

// One server's events are in its order, whatever its clock did; those of several go by their clocks.
AnsweredList<v1::Event> InOrder(const AnsweredList<v1::ListEventsResponse>& answers) {
  AnsweredList<v1::Event> events;
  for (const auto& [endpoint, answer] : answers) {
    for (const v1::Event& event : answer->events()) events.push_back({endpoint, &event});
  }
  if (answers.size() < 2) return events;
  std::stable_sort(events.begin(), events.end(), [](const auto& a, const auto& b) {
    const auto& left = a.answer->event_time();
    const auto& right = b.answer->event_time();
    return std::pair(left.seconds(), left.nanos()) < std::pair(right.seconds(), right.nanos());
  });
  return events;
}

// Cut to that width; colours take no columns.
std::string Line(const std::vector<Cell>& cells, int width, const Terminal& terminal) {
  std::string line;
  for (const Cell& cell : cells) {
    if (width <= 0) break;
    const std::string text = Truncate(cell.text, width, terminal.utf8);
    absl::StrAppend(&line, Paint(text, cell.color, terminal.color));
    width -= DisplayWidth(text);
    if (&cell == &cells.back()) break;
    line.append(static_cast<size_t>(std::min(2, width)), ' ');
    width -= std::min(2, width);
  }
  while (line.ends_with(' ')) line.pop_back();
  return line += '\n';
}

}  // namespace

std::string RenderEvents(const AnsweredList<v1::ListEventsResponse>& answers, const PrintStyle& style) {
  std::vector<Column> columns = {
      {"TIME"}, {"TYPE", Align::kLeft, 12}, {"RESOURCE", Align::kLeft, 8}, {"WHAT", Align::kLeft, 20}};
  if (style.wide) columns.insert(columns.end(), {{"LATENCY", Align::kRight}, {"REVISION", Align::kRight}});
  Table table(std::move(columns));
  for (const auto& [endpoint, event] : InOrder(answers)) {
    std::vector<Cell> cells = {TimeText(event->event_time()), TypeCell(event->type()), Resource(*event),
                               event->summary()};
    if (style.wide) {
      cells.insert(cells.end(), {event->has_latency() ? FormatDuration(event->latency()) : kNone,
                                 absl::StrCat(event->revision())});
    }
    table.SetEndpoint(endpoint);
    table.AddRow(std::move(cells));
  }
  return table.Render(style);
}

std::string RenderEventLine(const v1::Event& event, const PrintStyle& style, const std::string& endpoint) {
  constexpr int kTypeWidth = 20;
  constexpr int kResourceWidth = 12;
  constexpr int kEndpointWidth = 10;
  constexpr int kRoomForTheDay = 110;
  constexpr int kRoomForColumns = 60;
  const Terminal& terminal = style.terminal;
  const Cell type = TypeCell(event.type());
  const bool limited = !style.wide && terminal.width > 0;
  std::string time = TimeText(event.event_time());
  // The day is what can be spared first where columns are few, then that they stand below each other.
  if (limited && terminal.width < kRoomForTheDay) time.erase(0, time.find('T') + 1);
  const bool aligned = !limited || terminal.width >= kRoomForColumns;
  const auto padded = [aligned](const std::string& text, int width) {
    return aligned ? PadRight(text, width) : text;
  };
  std::vector<Cell> cells;
  if (!endpoint.empty()) {
    const std::string name = Truncate(Printable(endpoint, terminal.utf8), kEndpointWidth, terminal.utf8);
    cells.emplace_back(padded(name, kEndpointWidth));
  }
  cells.emplace_back(time);
  cells.emplace_back(padded(type.text, kTypeWidth), type.color);
  cells.emplace_back(padded(Printable(Resource(event), terminal.utf8), kResourceWidth));
  cells.emplace_back(Printable(event.summary(), terminal.utf8));
  return Line(cells, limited ? terminal.width : std::numeric_limits<int>::max(), terminal);
}

}  // namespace shmemd::client
