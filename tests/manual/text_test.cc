// Text as --help shows it: what is a section, a list, a paragraph, and what stands as it is.
#include "manual/text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace shmemd::manual {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

Block Paragraph(std::string text) { return {.paragraph = std::move(text), .items = {}, .verbatim = ""}; }
Block List(std::vector<Item> items) { return {.paragraph = "", .items = std::move(items), .verbatim = ""}; }
Block Verbatim(std::string text) { return {.paragraph = "", .items = {}, .verbatim = std::move(text)}; }

TEST(ReadBlocks, LinesOfAParagraphAreJoined) {
  EXPECT_THAT(ReadBlocks("one\ntwo\n\nthree"), ElementsAre(Paragraph("one two"), Paragraph("three")));
  EXPECT_THAT(ReadBlocks(""), IsEmpty());
  EXPECT_THAT(ReadBlocks("\n\n\n"), IsEmpty());
}

TEST(ReadBlocks, TwoColumnsAreAList) {
  EXPECT_THAT(ReadBlocks("  a b  what a b is\n  long one\n       on a line of its own\n       and another\n"),
              ElementsAre(List({{"a b", "what a b is"}, {"long one", "on a line of its own and another"}})));
}

TEST(ReadBlocks, IndentedLinesWithoutASecondColumnStandAsTheyAre) {
  EXPECT_THAT(ReadBlocks("  shmemctl map gpu0/2\n  shmemctl regions\n"),
              ElementsAre(Verbatim("shmemctl map gpu0/2\nshmemctl regions\n")));
  EXPECT_THAT(ReadBlocks("    deep:\n      - deeper\n"), ElementsAre(Verbatim("deep:\n  - deeper\n")));
  EXPECT_THAT(ReadBlocks("  one  has two\n  the other not\n"),
              ElementsAre(Verbatim("one  has two\nthe other not\n")));
}

TEST(ReadBlocks, AListMayFollowItsIntroduction) {
  EXPECT_THAT(ReadBlocks("There are:\n  a  the first\n  b  the second\nand no more."),
              ElementsAre(Paragraph("There are:"), List({{"a", "the first"}, {"b", "the second"}}),
                          Paragraph("and no more.")));
}

TEST(ReadBlocks, YamlStandsAsItIs) {
  EXPECT_THAT(ReadBlocks("backing: memfd   # or file\nsteps:\n  - wait: 1s\n"),
              ElementsAre(Verbatim("backing: memfd   # or file\nsteps:\n  - wait: 1s\n")));
}

TEST(ReadText, TitlesBeginSections) {
  const auto sections = ReadText("First.\n\nExit codes: 0 ok,\n1 failed.\n\nExamples:\n  a\n  b\n");
  ASSERT_EQ(sections.size(), 3u);
  EXPECT_EQ(sections[0].title, "");
  EXPECT_THAT(sections[0].blocks, ElementsAre(Paragraph("First.")));
  EXPECT_EQ(sections[1].title, "Exit codes");
  EXPECT_THAT(sections[1].blocks, ElementsAre(Paragraph("0 ok, 1 failed.")));
  EXPECT_EQ(sections[2].title, "Examples");
  EXPECT_THAT(sections[2].blocks, ElementsAre(Verbatim("a\nb\n")));
}

TEST(ReadText, WhatIsNoTitle) {
  for (const char* line : {"The words before this colon: are too many", "lower: case", "http://host/path",
                           "A_B: c", ":", "  Indented: yes", "Time 12:00"}) {
    EXPECT_EQ(ReadText(line).size(), 1u) << line;
  }
}

}  // namespace
}  // namespace shmemd::manual
