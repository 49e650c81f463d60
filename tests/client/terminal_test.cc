#include "client/print/terminal.h"

#include <gtest/gtest.h>
#include <pty.h>
#include <unistd.h>

#include <map>
#include <string>

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

}  // namespace
}  // namespace shmemd::client
