#include "client/print/address_map.h"

#include <absl/strings/str_cat.h>

#include <algorithm>
#include <string_view>
#include <utility>
#include <vector>

#include "client/print/cell_grid.h"
#include "client/print/mapping_printer.h"
#include "client/print/resource_name.h"
#include "client/print/text.h"
#include "client/print/units.h"

namespace shmemd::client {
namespace {

namespace v1 = ::vhost::shmem::v1;

constexpr int kDefaultWidth = 80;

// The characters of a picture, in the order of CellKind.
struct Glyphs {
  const char* full[4];
  const char* sparse[4];
  const char* left;
  const char* right;
  const char* open_end;  // where the size is not known
};

constexpr Glyphs kUtf8 = {{"░", "▒", "█", "▓"}, {"░", "□", "■", "▓"}, "▕", "▏", "…"};
constexpr Glyphs kAscii = {{".", "=", "#", "!"}, {".", "-", "+", "!"}, "|", "|", "..."};

const Glyphs& GlyphsFor(const PrintStyle& style) { return style.terminal.utf8 ? kUtf8 : kAscii; }

int WidthOf(const PrintStyle& style) {
  return style.terminal.width > 0 ? style.terminal.width : kDefaultWidth;
}

Color ColorOf(CellKind kind) {
  switch (kind) {
    case CellKind::kReadWrite:
      return Color::kGreen;
    case CellKind::kReadOnly:
      return Color::kBlue;
    case CellKind::kAtRisk:
      return Color::kRed;
    case CellKind::kFree:
      return Color::kDim;
  }
  return Color::kNone;
}

const char* GlyphOf(const MapCell& cell, const Glyphs& glyphs) {
  const auto kind = static_cast<size_t>(cell.kind);
  return cell.sparse ? glyphs.sparse[kind] : glyphs.full[kind];
}

// A piece of a line that is not broken.
struct Token {
  std::string text;
  Color color = Color::kNone;
};

// The pieces, `gap` blanks apart, after `start`; a line that would become too long goes on below, indented.
std::string Flow(const std::string& start, const std::vector<Token>& tokens, int gap, int indent,
                 const PrintStyle& style) {
  std::string text = start;
  int used = DisplayWidth(start);
  bool first = true;
  for (const Token& token : tokens) {
    const int width = DisplayWidth(token.text);
    if (!first && used + gap + width > WidthOf(style)) {
      text += '\n';
      text.append(static_cast<size_t>(indent), ' ');
      used = indent;
    } else if (!first) {
      text.append(static_cast<size_t>(gap), ' ');
      used += gap;
    }
    const std::string fitting = Truncate(token.text, std::max(WidthOf(style) - used, 1), style.terminal.utf8);
    text += Paint(fitting, token.color, style.terminal.color);
    used += width;
    first = false;
  }
  return text += '\n';
}

std::string Header(const v1::Region& region, const PrintStyle& style) {
  const auto bytes = [&style](int64_t value) { return FormatBytes(value, style.bytes); };
  std::string identity = absl::StrCat(BackendId(region.name()), "  shmid ", region.shmid());
  if (!region.role().empty()) absl::StrAppend(&identity, "  ", region.role());
  std::vector<Token> tokens = {{Printable(identity, style.terminal.utf8), Color::kBold}};
  tokens.push_back({region.has_size_bytes() ? bytes(region.size_bytes()) : "size unknown"});
  std::string mapped = absl::StrCat("mapped ", bytes(region.mapped_bytes()));
  if (region.size_bytes() > 0) {
    absl::StrAppend(&mapped, " (", FormatShare(region.mapped_bytes(), region.size_bytes()), ")");
  }
  tokens.push_back({std::move(mapped)});
  if (region.has_free_extent_count()) tokens.push_back({absl::StrCat("holes ", region.free_extent_count())});
  if (region.has_largest_free_extent_bytes()) {
    tokens.push_back({absl::StrCat("largest ", bytes(region.largest_free_extent_bytes()))});
  }
  if (region.stale_bytes() > 0)
    tokens.push_back({absl::StrCat("stale ", bytes(region.stale_bytes())), Color::kYellow});
  if (region.at_risk_bytes() > 0) {
    tokens.push_back({absl::StrCat("at risk ", bytes(region.at_risk_bytes())), Color::kRed});
  }
  if (region.exposed_by_frontend() == v1::Region::NO)
    tokens.push_back({"not shown to the guest", Color::kYellow});
  return Flow("", tokens, 3, 2, style);
}

// One row of cells; neighbours that look the same are painted together.
std::string Row(const CellGrid& grid, size_t begin, size_t end, const PrintStyle& style) {
  const Glyphs& glyphs = GlyphsFor(style);
  std::string row;
  while (begin < end) {
    std::string run;
    const CellKind kind = grid.cells[begin].kind;
    for (; begin < end && grid.cells[begin].kind == kind; ++begin) run += GlyphOf(grid.cells[begin], glyphs);
    row += Paint(run, ColorOf(kind), style.terminal.color);
  }
  return row;
}

std::string CellSize(uint64_t bytes) {
  std::string text = FormatBytes(static_cast<int64_t>(bytes));
  const size_t fraction = text.find(".0 ");
  if (fraction != std::string::npos) text.erase(fraction, 2);
  return absl::StrCat("1 cell = ", text);
}

std::string Legend(const std::string& start, const CellGrid& grid, const PrintStyle& style) {
  const Glyphs& glyphs = GlyphsFor(style);
  const auto full = [&glyphs](CellKind kind) {
    return absl::StrCat(glyphs.full[static_cast<size_t>(kind)], " ");
  };
  std::vector<Token> tokens = {{full(CellKind::kReadWrite) + "rw", Color::kGreen},
                               {full(CellKind::kReadOnly) + "ro", Color::kBlue},
                               {full(CellKind::kAtRisk) + "at risk", Color::kRed},
                               {full(CellKind::kFree) + "free", Color::kDim}};
  const bool any_sparse = std::any_of(grid.cells.begin(), grid.cells.end(), [](const MapCell& cell) {
    return cell.sparse && cell.kind != CellKind::kAtRisk;
  });
  if (any_sparse) tokens.push_back({absl::StrCat(glyphs.sparse[2], " ", glyphs.sparse[1], " under half")});
  // Set apart from the characters by more blanks than they are from each other.
  tokens.push_back({absl::StrCat("  ", CellSize(grid.cell_bytes))});
  return Flow(start, tokens, 2, DisplayWidth(start), style);
}

// The rows with their offsets, and the legend. The end is named behind the last row where it fits, else below
// it.
std::string Picture(const CellGrid& grid, const PrintStyle& style) {
  const Glyphs& glyphs = GlyphsFor(style);
  const std::string end_label = FormatHex(static_cast<int64_t>(grid.end_bytes));
  const auto row_cells = static_cast<size_t>(grid.cells_per_row);
  const size_t rows = (grid.cells.size() + row_cells - 1) / row_cells;
  const size_t last_cells = grid.cells.size() - (rows - 1) * row_cells;
  const size_t last_begin = (rows - 1) * row_cells * grid.cell_bytes;
  int label_width = DisplayWidth(FormatHex(static_cast<int64_t>(last_begin)));
  const int end_width = DisplayWidth(end_label);
  const std::string_view border = grid.size_known ? glyphs.right : glyphs.open_end;
  const int last_width =
      label_width + 2 + static_cast<int>(last_cells) + DisplayWidth(border) + 1 + end_width;
  const bool end_behind = last_width <= WidthOf(style);
  if (!end_behind) label_width = std::max(label_width, end_width);
  std::string text;
  for (size_t row = 0; row < rows; ++row) {
    const size_t begin = row * row_cells;
    const size_t end = std::min(begin + row_cells, grid.cells.size());
    const bool last = row + 1 == rows;
    text += PadLeft(FormatHex(static_cast<int64_t>(begin * grid.cell_bytes)), label_width);
    absl::StrAppend(&text, " ", glyphs.left, Row(grid, begin, end, style),
                    last ? std::string(border) : glyphs.right);
    if (last && end_behind) absl::StrAppend(&text, " ", end_label);
    text += '\n';
  }
  return text += Legend(PadRight(end_behind ? "" : end_label, label_width + 2), grid, style);
}

}  // namespace

std::string RenderAddressMap(const v1::GetRegionLayoutResponse& layout,
                             const v1::ListMappingsResponse& mappings, const PrintStyle& style) {
  std::string text = Header(layout.region(), style);
  // A label, a blank and two borders stand beside the cells; the label that matters is that of the end.
  CellGrid grid = MakeCellGrid(layout, WidthOf(style));
  const int label_width = DisplayWidth(FormatHex(static_cast<int64_t>(grid.end_bytes)));
  grid = MakeCellGrid(layout, WidthOf(style) - label_width - 3);
  if (grid.cells.empty()) {
    text += Flow("  ", {{"nothing is mapped, and the size is not known"}}, 2, 2, style);
  } else {
    text += Picture(grid, style);
  }
  return text += RenderMappingLines(mappings, style);
}

}  // namespace shmemd::client
