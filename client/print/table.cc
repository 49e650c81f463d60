#include "client/print/table.h"

#include <algorithm>
#include <cstddef>
#include <limits>
#include <utility>

#include "client/print/text.h"

namespace shmemd::client {
namespace {

constexpr int kGap = 2;

// A column as it will be printed.
struct Lane {
  size_t index = 0;
  int width = 0;
};

int TotalWidth(const std::vector<Lane>& lanes) {
  int total = lanes.empty() ? 0 : kGap * (static_cast<int>(lanes.size()) - 1);
  for (const Lane& lane : lanes) total += lane.width;
  return total;
}

void DropLanes(const std::vector<Column>& columns, int limit, std::vector<Lane>* lanes) {
  // What shrinking alone can win is not worth a column.
  const auto shrinkable = [&columns, lanes] {
    int slack = 0;
    for (const Lane& lane : *lanes) {
      const int min_width = columns[lane.index].min_width;
      if (min_width > 0) slack += std::max(0, lane.width - min_width);
    }
    return slack;
  };
  for (size_t i = lanes->size(); i-- > 0 && TotalWidth(*lanes) - shrinkable() > limit;) {
    if (columns[(*lanes)[i].index].droppable) lanes->erase(lanes->begin() + static_cast<std::ptrdiff_t>(i));
  }
}

void ShrinkLanes(const std::vector<Column>& columns, int limit, std::vector<Lane>* lanes) {
  while (TotalWidth(*lanes) > limit) {
    Lane* widest = nullptr;
    for (Lane& lane : *lanes) {
      const int min_width = columns[lane.index].min_width;
      if (min_width > 0 && lane.width > min_width && (widest == nullptr || lane.width > widest->width))
        widest = &lane;
    }
    if (widest == nullptr) return;
    --widest->width;
  }
}

// Without colours it would be the same length on every terminal; what is beyond the limit is cut.
std::string RenderRow(const std::vector<Cell>& row, const std::vector<Column>& columns,
                      const std::vector<Lane>& lanes, const Terminal& terminal, int limit) {
  std::string line;
  int left = limit > 0 ? limit : std::numeric_limits<int>::max();
  for (size_t i = 0; i < lanes.size() && left > 0; ++i) {
    const Cell& cell = row[lanes[i].index];
    const int width = std::min(lanes[i].width, left);
    const std::string text = Truncate(cell.text, width, terminal.utf8);
    const std::string blanks(static_cast<size_t>(std::max(0, width - DisplayWidth(text))), ' ');
    const bool right = columns[lanes[i].index].align == Align::kRight;
    if (right) line += blanks;
    line += Paint(text, cell.color, terminal.color);
    if (i + 1 == lanes.size()) break;
    if (!right) line += blanks;
    line.append(static_cast<size_t>(std::min(kGap, left - width)), ' ');
    left -= std::min(left, width + kGap);
  }
  while (line.ends_with(' ')) line.pop_back();
  return line += '\n';
}

}  // namespace

std::string Table::Render(const PrintStyle& style) const {
  const bool utf8 = style.terminal.utf8;
  const int limit = style.wide ? 0 : style.terminal.width;
  std::vector<std::vector<Cell>> rows;
  if (style.headers) {
    auto& header = rows.emplace_back();
    for (const Column& column : columns_) header.emplace_back(column.header, Color::kBold);
  }
  for (const auto& row : rows_) {
    auto& printable = rows.emplace_back(row);
    for (Cell& cell : printable) cell.text = Printable(cell.text, utf8);
  }
  std::vector<Lane> lanes;
  for (size_t i = 0; i < columns_.size(); ++i) {
    const bool empty =
        std::all_of(rows_.begin(), rows_.end(), [i](const auto& row) { return row[i].text.empty(); });
    if (empty) continue;
    Lane& lane = lanes.emplace_back(Lane{i, 0});
    for (const auto& row : rows) lane.width = std::max(lane.width, DisplayWidth(row[i].text));
  }
  if (limit > 0) {
    DropLanes(columns_, limit, &lanes);
    ShrinkLanes(columns_, limit, &lanes);
  }
  std::string text;
  for (const auto& row : rows) text += RenderRow(row, columns_, lanes, style.terminal, limit);
  return text;
}

}  // namespace shmemd::client
