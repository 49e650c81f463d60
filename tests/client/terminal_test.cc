#include "client/print/terminal.h"

#include <gtest/gtest.h>
#include <pty.h>
#include <unistd.h>

#include <map>
#include <string>

#include "client/print/screen.h"

namespace shmemd::client {
namespace {

Environment Fake(std::map<std::string, std::string> values) {
  return [values = std::move(values)](const char* name) {
    const auto found = values.find(name);
    return found == values.end() ? std::string() : found->second;
  };
}

class OnTerminal : public ::testing::Test {
 protected:
  OnTerminal() {
    const winsize size = {.ws_row = 24, .ws_col = 123, .ws_xpixel = 0, .ws_ypixel = 0};
    EXPECT_EQ(::openpty(&ours_, &theirs_, nullptr, nullptr, &size), 0);
  }
  ~OnTerminal() override {
    ::close(ours_);
    ::close(theirs_);
  }
  int ours_ = -1;
  int theirs_ = -1;
};

TEST_F(OnTerminal, ColourOnlyThereAndOnlyWhereWanted) {
  EXPECT_TRUE(DetectTerminal(theirs_, ColorWhen::kAuto, {}, Fake({})).color);
  EXPECT_FALSE(DetectTerminal(theirs_, ColorWhen::kNever, {}, Fake({})).color);
  EXPECT_FALSE(DetectTerminal(theirs_, ColorWhen::kAuto, {}, Fake({{"NO_COLOR", "1"}})).color);
  EXPECT_TRUE(DetectTerminal(theirs_, ColorWhen::kAuto, {}, Fake({{"NO_COLOR", ""}})).color);
  EXPECT_FALSE(DetectTerminal(theirs_, ColorWhen::kAuto, {}, Fake({{"TERM", "dumb"}})).color);
  EXPECT_FALSE(DetectTerminal(-1, ColorWhen::kAuto, {}, Fake({})).color);
  EXPECT_TRUE(DetectTerminal(-1, ColorWhen::kAlways, {}, Fake({{"NO_COLOR", "1"}})).color);
}

TEST_F(OnTerminal, WidthByFlagThenColumnsThenTerminal) {
  EXPECT_EQ(DetectTerminal(theirs_, ColorWhen::kAuto, {}, Fake({})).width, 123);
  EXPECT_EQ(DetectTerminal(theirs_, ColorWhen::kAuto, {}, Fake({{"COLUMNS", "90"}})).width, 90);
  EXPECT_EQ(DetectTerminal(theirs_, ColorWhen::kAuto, 70, Fake({{"COLUMNS", "90"}})).width, 70);
  EXPECT_EQ(DetectTerminal(-1, ColorWhen::kAuto, {}, Fake({{"COLUMNS", "x"}})).width, 0);
}

TEST(Terminal, Utf8ByTheFirstVariableThatIsSet) {
  const auto utf8 = [](std::map<std::string, std::string> values) {
    return DetectTerminal(-1, ColorWhen::kAuto, {}, Fake(std::move(values))).utf8;
  };
  EXPECT_FALSE(utf8({}));
  EXPECT_TRUE(utf8({{"LANG", "de_DE.UTF-8"}}));
  EXPECT_TRUE(utf8({{"LC_CTYPE", "C.utf8"}, {"LANG", "C"}}));
  EXPECT_FALSE(utf8({{"LC_ALL", "C"}, {"LANG", "C.UTF-8"}}));
}

// What surrounds each picture: lines are not broken meanwhile, and nothing of the one before is left below.
std::string Shown(const std::string& begin, const std::string& lines) {
  return begin + "\x1b[?7l" + lines + "\x1b[J\x1b[?7h";
}

TEST(Screen, DrawsOverWhatWasThere) {
  Screen screen;
  EXPECT_EQ(screen.Draw("one\ntwo\n", 50, 80), Shown("\x1b[2J\x1b[H", "one\x1b[K\ntwo\x1b[K\n"));
  EXPECT_EQ(screen.Draw("three\n", 50, 80), Shown("\x1b[H", "three\x1b[K\n"));
}

TEST(Screen, BeginsAnewWhereTheSizeIsAnother) {
  Screen screen;
  screen.Draw("one\n", 50, 80);
  EXPECT_EQ(screen.Draw("one\n", 50, 40), Shown("\x1b[2J\x1b[H", "one\x1b[K\n"));
  EXPECT_EQ(screen.Draw("one\n", 50, 40), Shown("\x1b[H", "one\x1b[K\n"));
}

TEST(Screen, WhatDoesNotFitIsCounted) {
  const std::string clear = "\x1b[2J\x1b[H";
  EXPECT_EQ(Screen().Draw("a\nb\nc\nd\n", 4, 80), Shown(clear, "a\x1b[K\nb\x1b[K\n... 2 more lines\x1b[K\n"));
  EXPECT_EQ(Screen().Draw("a\nb\nc\n", 4, 80), Shown(clear, "a\x1b[K\nb\x1b[K\nc\x1b[K\n"));
  EXPECT_EQ(Screen().Draw("a\nb\nc\nd\n", 0, 0), Shown(clear, "a\x1b[K\nb\x1b[K\nc\x1b[K\nd\x1b[K\n"));
}

}  // namespace
}  // namespace shmemd::client
