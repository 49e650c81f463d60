// Text as --help shows it, taken apart so that a page can set it: no markup, only what a reader sees.
//
//   Paragraphs are separated by empty lines. One that begins with "Files: ..." or "Exit codes: ..." (up to
//   three words and a colon) begins a section. Lines that are indented by two are a list when each has two
//   columns, the second behind at least two spaces or on a deeper line of its own; else they stand as they
//   are.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace shmemd::manual {

struct Item {
  std::string term;
  std::string what;
  bool operator==(const Item&) const = default;
};

// One of the three is not empty.
struct Block {
  std::string paragraph;
  std::vector<Item> items;
  std::string verbatim;  // lines, less what all are indented by
  bool operator==(const Block&) const = default;
};

struct Section {
  std::string title;  // empty: belongs to what stood before
  std::vector<Block> blocks;
};

// What `text` consists of; the first section has no title.
std::vector<Section> ReadText(std::string_view text);

// The blocks of a text that has no titles: what would be one is a line like others.
std::vector<Block> ReadBlocks(std::string_view text);

}  // namespace shmemd::manual
