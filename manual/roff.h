// The source of a manual page, man(7): what is written to it appears as it is, whatever roff makes of dots,
// dashes, quotes and backslashes.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "manual/text.h"

namespace shmemd::manual {

class Roff {
 public:
  // `title`: "SHMEMCTL"; `manual`: what stands in the middle of the head line.
  Roff(std::string_view title, int section, std::string_view date, std::string_view source,
       std::string_view manual);

  void Heading(std::string_view title);
  void Subheading(std::string_view title);
  void Paragraph(std::string_view text);
  // `term` as Literal and Placeholder made it.
  void Item(const std::string& term, std::string_view what);
  void Blocks(const std::vector<Block>& blocks);
  // A line of macros and what the two below made.
  void Raw(std::string_view line);

  // As it is typed: bold. What stands for something else: italic.
  static std::string Literal(std::string_view text);
  static std::string Placeholder(std::string_view text);

  // Without the newline at the end of the last line, which whoever prints it adds.
  std::string source() const { return source_.substr(0, source_.size() - 1); }

 private:
  void Verbatim(std::string_view lines);

  // A paragraph begins, unless a heading has begun one.
  void Break();

  std::string source_;
  bool is_after_heading_ = false;
};

}  // namespace shmemd::manual
