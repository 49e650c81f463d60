#include "manual/text.h"

#include <algorithm>
#include <cctype>
#include <cstddef>

namespace shmemd::manual {
namespace {

constexpr size_t kIndent = 2;
constexpr size_t kMostTitleWords = 3;

using Lines = std::vector<std::string_view>;

Lines SplitLines(std::string_view text) {
  Lines lines;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    lines.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}

size_t IndentOf(std::string_view line) { return std::min(line.find_first_not_of(' '), line.size()); }

bool IsIndented(std::string_view line) { return IndentOf(line) >= kIndent; }

// The words before the colon that ends a title; empty: `line` begins no section.
std::string_view TitleOf(std::string_view line) {
  const size_t colon = line.find(':');
  if (colon == std::string_view::npos || colon == 0 || std::isupper(line.front()) == 0) return {};
  if (colon + 1 < line.size() && line[colon + 1] != ' ') return {};
  const std::string_view title = line.substr(0, colon);
  const auto is_of_title = [](unsigned char c) { return std::isalpha(c) != 0 || c == ' ' || c == '-'; };
  const auto words = static_cast<size_t>(std::count(title.begin(), title.end(), ' ')) + 1;
  return words <= kMostTitleWords && std::all_of(title.begin(), title.end(), is_of_title)
             ? title
             : std::string_view();
}

void AppendWords(std::string& to, std::string_view words) {
  if (!to.empty() && !words.empty()) to += ' ';
  to.append(words);
}

// The items of lines that are indented; none: they are no list.
std::vector<Item> ReadItems(const Lines& lines) {
  std::vector<Item> items;
  for (const std::string_view line : lines) {
    const size_t indent = IndentOf(line);
    const std::string_view rest = line.substr(indent);
    if (indent > kIndent) {
      if (items.empty()) return {};
      AppendWords(items.back().what, rest);
      continue;
    }
    const size_t gap = rest.find("  ");
    Item item{std::string(rest.substr(0, gap)), ""};
    if (gap != std::string_view::npos)
      item.what = rest.substr(std::min(rest.find_first_not_of(' ', gap), rest.size()));
    items.push_back(std::move(item));
  }
  const bool is_list =
      std::all_of(items.begin(), items.end(), [](const Item& item) { return !item.what.empty(); });
  return is_list ? items : std::vector<Item>{};
}

Block VerbatimOf(const Lines& lines) {
  size_t indent = std::string_view::npos;
  for (const std::string_view line : lines) {
    if (!line.empty()) indent = std::min(indent, IndentOf(line));
  }
  Block block;
  for (const std::string_view line : lines) {
    block.verbatim.append(line.substr(std::min(indent, line.size())));
    block.verbatim += '\n';
  }
  return block;
}

Block BlockOf(const Lines& lines) {
  Block block;
  if (!IsIndented(lines.front())) {
    for (const std::string_view line : lines) AppendWords(block.paragraph, line);
    return block;
  }
  block.items = ReadItems(lines);
  return block.items.empty() ? VerbatimOf(lines) : block;
}

// YAML as the demo programs show it: not indented, but nothing of it is a sentence.
bool IsYaml(std::string_view line) {
  const size_t colon = line.find(": ");
  const bool is_key = colon != std::string_view::npos && colon > 0 &&
                      std::all_of(line.begin(), line.begin() + static_cast<std::ptrdiff_t>(colon),
                                  [](unsigned char c) { return std::islower(c) != 0 || c == '_'; });
  return is_key || line == "steps:";
}

// The blocks of one paragraph: where lines begin or cease to be indented, a new one begins.
void ReadParagraph(const Lines& lines, std::vector<Block>& blocks) {
  if (IsYaml(lines.front())) {
    blocks.push_back(VerbatimOf(lines));
    return;
  }
  for (auto begin = lines.begin(); begin != lines.end();) {
    const auto end = std::find_if(
        begin, lines.end(), [&](std::string_view line) { return IsIndented(line) != IsIndented(*begin); });
    blocks.push_back(BlockOf(Lines(begin, end)));
    begin = end;
  }
}

std::vector<Section> Read(std::string_view text, bool has_titles) {
  std::vector<Section> sections(1);
  Lines paragraph;
  const auto finish = [&] {
    if (!paragraph.empty()) ReadParagraph(paragraph, sections.back().blocks);
    paragraph.clear();
  };
  for (std::string_view line : SplitLines(text)) {
    if (line.empty()) {
      finish();
      continue;
    }
    const std::string_view title = has_titles ? TitleOf(line) : std::string_view();
    if (!title.empty()) {
      finish();
      sections.push_back({std::string(title), {}});
      line.remove_prefix(std::min(title.size() + 1, line.size()));
      line.remove_prefix(IndentOf(line));
      if (line.empty()) continue;
    }
    paragraph.push_back(line);
  }
  finish();
  return sections;
}

}  // namespace

std::vector<Section> ReadText(std::string_view text) { return Read(text, true); }

std::vector<Block> ReadBlocks(std::string_view text) { return Read(text, false).front().blocks; }

}  // namespace shmemd::manual
