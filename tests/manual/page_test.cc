// A command line as its page.
#include "manual/page.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>

namespace shmemd::manual {
namespace {

using testing::HasSubstr;
using testing::Not;

class PageTest : public testing::Test {
 protected:
  std::string Made() const { return ProgramPage(app_, page_); }
  // Where a line stands on the page; it stands there once.
  size_t At(const std::string& line) const {
    const std::string made = "\n" + Made() + "\n";
    const size_t at = made.find("\n" + line + "\n");
    EXPECT_NE(at, std::string::npos) << line << "\n" << made;
    EXPECT_EQ(made.find("\n" + line + "\n", at + 1), std::string::npos) << line;
    return at;
  }

  CLI::App app_{"Does something.", "prog"};
  Page page_{.section = 1, .summary = "does it", .sections = {}};
  std::string text_;
  std::vector<std::string> many_;
  bool flag_ = false;
  int number_ = 0;
};

TEST_F(PageTest, OptionsAsTheyAreTyped) {
  app_.add_option("-o,--output", text_, "Form")->check(CLI::IsMember(std::set<std::string>{"json", "table"}));
  app_.add_option("--width", number_, "Columns")->check(CLI::Range(0, 9));
  app_.add_option("--listen", text_, "Where")->type_name("ADDRESS:PORT")->required();
  app_.add_option("--relay", many_, "Which")->type_name("ID=A,B")->take_all();
  app_.add_flag("-q", flag_, "Nothing");
  At("\\fB\\-o\\fR, \\fB\\-\\-output\\fR \\fBjson|table\\fR");
  At("\\fB\\-\\-width\\fR \\fIINT\\fR");
  At("\\fB\\-\\-listen\\fR \\fIADDRESS:PORT\\fR");
  At("Where.\nRequired.");
  At("\\fB\\-\\-relay\\fR \\fIID=A,B\\fR ...");
  At("\\fB\\-q\\fR");
}

TEST_F(PageTest, SectionsStandInTheOrderOfManuals) {
  app_.footer("It is so.\n\nExamples:\n  prog\n\nExit codes: 0 ok\n\nEndpoint: here");
  page_.sections = {{"See also", "other(1)"}, {"Files", "  /a  what a is"}};
  std::vector<size_t> places;
  for (const char* title : {"NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS", "ENDPOINT", "EXIT STATUS", "FILES",
                            "EXAMPLES", "SEE ALSO"}) {
    places.push_back(At(std::string(".SH \"") + title + "\""));
  }
  EXPECT_TRUE(std::is_sorted(places.begin(), places.end()));
  EXPECT_LT(At("It is so."), places[3]);
}

TEST_F(PageTest, WhatThePageSaysGoesBeforeWhatHelpSays) {
  app_.footer("Exit codes: as you like");
  page_.sections = {{"Exit status", "  0  well"}};
  EXPECT_THAT(Made(), Not(HasSubstr("as you like")));
  At("well");
}

TEST_F(PageTest, CommandsHaveWhatTheProgramHasNot) {
  for (CLI::App* app : {&app_, app_.add_subcommand("map", "Draw it")})
    app->add_flag("-q,--quiet", flag_, "Nothing");
  CLI::App* map = app_.get_subcommand("map");
  map->add_option("BACKEND", text_, "Of this one");
  map->add_option("SHMID", text_, "And this")->required();
  map->add_flag("--wide", flag_, "More");
  map->footer("Examples:\n  prog map gpu0");
  At(".SS \"map [OPTIONS] [BACKEND] SHMID\"");
  At("Draw it.");
  At("\\fIBACKEND\\fR");
  At("\\fB\\-\\-wide\\fR");
  At("prog map gpu0");
  At("\\fB\\-q\\fR, \\fB\\-\\-quiet\\fR");  // once: with the program
}

TEST_F(PageTest, OptionGroupsBelongToTheProgram) {
  app_.add_option_group("socket")->add_option("--connect", text_, "To it")->type_name("PATH");
  At("\\fB\\-\\-connect\\fR \\fIPATH\\fR");
  EXPECT_THAT(Made(), Not(HasSubstr("COMMANDS")));
}

TEST_F(PageTest, WhatIsHiddenIsNotThere) {
  app_.add_flag("--secret", flag_, "Hidden")->group("");
  app_.add_subcommand("inner", "Hidden, too")->group("");
  EXPECT_THAT(Made(), Not(HasSubstr("Hidden")));
}

TEST_F(PageTest, TheFlagPrintsItWhateverElseIsMissing) {
  app_.require_subcommand(1);
  app_.add_option("--needed", text_, "Needed")->required();
  AddManFlag(app_, page_);
  EXPECT_THAT(app_.help(), Not(HasSubstr("--man")));
  try {
    app_.parse("--man");
    FAIL() << "the page was not printed";
  } catch (const CLI::Success& success) {
    std::ostringstream out;
    EXPECT_EQ(app_.exit(success, out, out), 0);
    EXPECT_EQ(out.str(), Made() + "\n");
  }
}

}  // namespace
}  // namespace shmemd::manual
