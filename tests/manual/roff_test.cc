// Whatever a text holds appears as it is, and no line of it is a command of roff.
#include "manual/roff.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace shmemd::manual {
namespace {

using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;

Roff Page() { return {"NAME", 1, "2026-01-02", "shmemd 1", "User commands"}; }

std::string Set(std::string_view text) {
  Roff roff = Page();
  roff.Paragraph(text);
  return roff.source();
}

TEST(Roff, TheHeadLine) {
  EXPECT_THAT(Page().source(),
              testing::StartsWith(".TH \"NAME\" 1 2026-01-02 \"shmemd 1\" \"User commands\"\n"));
}

TEST(Roff, NoLineOfTextIsACommand) {
  EXPECT_THAT(Set(".so /etc/passwd"), EndsWith("\n\\&.so /etc/passwd"));
  EXPECT_THAT(Set("'br quoted"), EndsWith("\n\\&'br quoted"));
  Roff roff = Page();
  roff.Blocks({{.paragraph = "", .items = {}, .verbatim = "a\n\n.b\n'c\n"}});
  EXPECT_THAT(roff.source(), HasSubstr(".EX\na\n\\&\n\\&.b\n\\(aqc\n.EE"));
  roff.Item(Roff::Literal(".x"), "what");
  EXPECT_THAT(roff.source(), EndsWith(".TP\n\\fB.x\\fR\nwhat"));
}

TEST(Roff, EscapesAreOurs) {
  EXPECT_THAT(Set("a \\fB b"), EndsWith("\na \\efB b"));
  EXPECT_EQ(Roff::Literal("~^`'\\-"), "\\fB\\(ti\\(ha\\(ga\\(aq\\e\\-\\fR");
}

TEST(Roff, WhatCanBeCopiedKeepsItsDashes) {
  EXPECT_THAT(Set("a back-end with --run-dir and [-o wide] at /a-b"),
              EndsWith("\na back-end with \\-\\-run\\-dir and [\\-o wide] at /a\\-b"));
}

TEST(Roff, OtherLettersThanAsciiHaveNames) {
  EXPECT_THAT(Set("\u2265 1 \u00b5s \U0001F642"), EndsWith("\n\\[u2265] 1 \\[u00B5]s \\[u1F642]"));
}

TEST(Roff, SentencesEndTheirLines) {
  EXPECT_THAT(Set("One. Two, e.g. three. Four"), EndsWith("\nOne.\nTwo, e.g. three.\nFour"));
}

TEST(Roff, LongTextHasShortLines) {
  std::string text;
  for (int i = 0; i < 100; ++i) text += "word ";
  const std::string source = Set(text);
  for (size_t at = 0; at < source.size();) {
    const size_t end = std::min(source.find('\n', at), source.size());
    EXPECT_LE(end - at, 80u);
    at = end + 1;
  }
}

TEST(Roff, OtherPagesAreNamesOfPages) {
  EXPECT_THAT(Set("shmemd.yaml(5), shmemctl(1)"), EndsWith("\n\\fBshmemd.yaml\\fR(5), \\fBshmemctl\\fR(1)"));
  EXPECT_THAT(Set("(5) f(x)"), Not(HasSubstr("\\fB")));
}

TEST(Roff, NoParagraphBeginsRightBehindAHeading) {
  Roff roff = Page();
  roff.Heading("Files");
  roff.Paragraph("one");
  roff.Paragraph("two");
  EXPECT_THAT(roff.source(), EndsWith(".SH \"FILES\"\none\n.PP\ntwo"));
}

}  // namespace
}  // namespace shmemd::manual
