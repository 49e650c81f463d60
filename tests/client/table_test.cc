#include "client/print/table.h"

#include <gtest/gtest.h>

#include <sstream>
#include <string>

#include "client/print/text.h"

namespace shmemd::client {
namespace {

PrintStyle Style(int width) {
  return {.terminal = {.width = width, .utf8 = true, .color = false},
          .wide = false,
          .bytes = false,
          .headers = true};
}

Table Sample() {
  Table table({{"NAME", Align::kLeft, 4},
               {"SIZE", Align::kRight},
               {"EXTRA", Align::kLeft, 0, true},
               {"WHY", Align::kLeft, 5}});
  table.AddRow(
      {std::string("größe"), std::string("4.0 MiB"), std::string("more"), std::string("a long explanation")});
  table.AddRow({std::string("共"), std::string("0 B"), std::string("m"), std::string("")});
  return table;
}

TEST(Table, AlignsByDisplayWidth) {
  EXPECT_EQ(Sample().Render(Style(0)),
            "NAME      SIZE  EXTRA  WHY\n"
            "größe  4.0 MiB  more   a long explanation\n"
            "共         0 B  m\n");
}

TEST(Table, DropsThenShrinksThenCuts) {
  EXPECT_EQ(Sample().Render(Style(30)),
            "NAME      SIZE  EXTRA  WHY\n"
            "größe  4.0 MiB  more   a long…\n"
            "共         0 B  m\n");
  EXPECT_EQ(Sample().Render(Style(22)),
            "NAME      SIZE  WHY\n"
            "größe  4.0 MiB  a lon…\n"
            "共         0 B\n");
  for (int width = 1; width < 60; ++width) {
    std::istringstream lines(Sample().Render(Style(width)));
    for (std::string line; std::getline(lines, line);) EXPECT_LE(DisplayWidth(line), width) << line;
  }
}

TEST(Table, WideIsNeverCut) {
  PrintStyle style = Style(10);
  style.wide = true;
  EXPECT_EQ(Sample().Render(style), Sample().Render(Style(0)));
}

TEST(Table, NoHeaders) {
  PrintStyle style = Style(0);
  style.headers = false;
  EXPECT_EQ(Sample().Render(style), "größe  4.0 MiB  more  a long explanation\n共         0 B  m\n");
}

TEST(Table, ColourDoesNotCountAsWidth) {
  Table table({{"A"}, {"B"}});
  table.AddRow({Cell("x", Color::kRed), Cell("y")});
  PrintStyle style = Style(0);
  style.terminal.color = true;
  style.headers = false;
  EXPECT_EQ(table.Render(style), "\x1b[31mx\x1b[0m  y\n");
}

TEST(Table, ColumnWithoutTextIsLeftOut) {
  Table table({{"A"}, {"EMPTY"}, {"B"}});
  table.AddRow({std::string("x"), std::string(), std::string("y")});
  EXPECT_EQ(table.Render(Style(0)), "A  B\nx  y\n");
}

TEST(Table, HostileTextStaysOnItsLine) {
  Table table({{"A"}});
  table.AddRow({std::string("x\ny\x1b]0;t\a")});
  EXPECT_EQ(table.Render(Style(0)), "A\nx\\x0ay\\x1b]0;t\\x07\n");
}

}  // namespace
}  // namespace shmemd::client
