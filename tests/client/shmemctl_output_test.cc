// How the output of shmemctl follows terminal, pipe, locale and flags.
#include <gmock/gmock.h>
#include <google/protobuf/struct.pb.h>
#include <google/protobuf/util/json_util.h>
#include <gtest/gtest.h>

#include <sstream>

#include "client/print/text.h"
#include "tests/client/shmemctl_run.h"

namespace shmemd::client {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kEscape[] = "\x1b[";

class Output : public ::testing::Test {
 protected:
  ProgramRun OnTerminal(const std::vector<std::string>& arguments,
                        std::map<std::string, std::string> environment = {}, int columns = 80) const {
    return Ctl(fake_, arguments, {.environment = std::move(environment), .terminal_columns = columns});
  }
  const FakeShmemd fake_{SampleData()};
};

TEST_F(Output, ColoursOnATerminalOnly) {
  EXPECT_THAT(OnTerminal({"backends"}, {{"TERM", "xterm"}}).out, HasSubstr(kEscape));
  EXPECT_THAT(OnTerminal({"backends"}, {{"NO_COLOR", "1"}}).out, Not(HasSubstr(kEscape)));
  EXPECT_THAT(OnTerminal({"backends"}, {{"TERM", "dumb"}}).out, Not(HasSubstr(kEscape)));
  EXPECT_THAT(OnTerminal({"backends", "--color", "never"}).out, Not(HasSubstr(kEscape)));
  EXPECT_THAT(Ctl(fake_, {"backends"}).out, Not(HasSubstr(kEscape)));
  EXPECT_THAT(Ctl(fake_, {"backends", "--color", "always"}).out, HasSubstr(kEscape));
}

TEST_F(Output, NoLineIsWiderThanTheTerminal) {
  for (const int columns : {40, 80, 200}) {
    for (const char* command : {"backends", "regions", "mappings", "map", "findings"}) {
      const ProgramRun run = OnTerminal({command, "--color", "never"}, {}, columns);
      std::istringstream lines(run.out);
      for (std::string line; std::getline(lines, line);) {
        while (line.ends_with('\r')) line.pop_back();
        // What a back-end sent is a sentence, and above the table.
        if (line.starts_with("fs0:") || line.starts_with("gpu0:")) continue;
        EXPECT_LE(DisplayWidth(line), columns) << line;
      }
    }
  }
}

TEST_F(Output, PipedTablesAreWhole) {
  EXPECT_THAT(Ctl(fake_, {"backends"}).out, HasSubstr("the back-end closed the connection\n"));
  EXPECT_THAT(Ctl(fake_, {"backends"}, {.environment = {{"COLUMNS", "80"}}}).out, HasSubstr("…\n"));
  EXPECT_THAT(Ctl(fake_, {"backends", "--width", "0"}, {.environment = {{"COLUMNS", "80"}}}).out,
              Not(HasSubstr("…")));
}

TEST_F(Output, AsciiWithoutUtf8) {
  for (const char* command : {"map", "backends"}) {
    const ProgramRun run = Ctl(fake_, {command, "--width", "80"}, {.environment = {{"LC_ALL", "C"}}});
    for (const char c : run.out) ASSERT_LT(static_cast<unsigned char>(c), 0x80) << run.out;
  }
  EXPECT_THAT(Ctl(fake_, {"map"}).out, HasSubstr("█"));
}

TEST_F(Output, HeadersAndPlainBytes) {
  EXPECT_EQ(Ctl(fake_, {"regions", "gpu0", "--no-headers", "--bytes"}).out,
            "gpu0  0  mmap_buffers  4294967296  83886080   1 %  3  3  3221225472  4096\n"
            "gpu0  2  -                4194304     20480  <1 %  1  1     4173824     0\n"
            "gpu0  5  -                   4096         0   0 %  0  1        4096     0\n");
}

TEST_F(Output, YamlHasTheSameKeys) {
  const std::string yaml = Ctl(fake_, {"regions", "gpu0", "-o", "yaml"}).out;
  EXPECT_THAT(yaml, ::testing::StartsWith("regions:\n  - name: backends/gpu0/regions/0\n    shmid: 0\n"));
  EXPECT_THAT(yaml, HasSubstr("    sizeBytes: \"4294967296\"\n"));
  const std::string layouts = Ctl(fake_, {"map", "gpu0", "-o", "yaml"}).out;
  EXPECT_THAT(layouts, ::testing::StartsWith("layouts:\n  - region:\n      name: backends/gpu0/regions/0\n"));
  EXPECT_THAT(layouts, Not(HasSubstr("---")));
}

// Reads the whole output as one JSON value; a second document behind it is an error.
google::protobuf::Struct OneDocument(const std::string& json) {
  google::protobuf::Struct document;
  EXPECT_TRUE(google::protobuf::util::JsonStringToMessage(json, &document).ok()) << json;
  return document;
}

TEST_F(Output, MapIsOneDocument) {
  const auto document = OneDocument(Ctl(fake_, {"map", "gpu0", "-o", "json"}).out);
  const auto& all = document.fields().at("layouts");
  ASSERT_EQ(all.list_value().values_size(), 3);
  EXPECT_EQ(all.list_value()
                .values(1)
                .struct_value()
                .fields()
                .at("region")
                .struct_value()
                .fields()
                .at("name")
                .string_value(),
            "backends/gpu0/regions/2");
  const auto one = OneDocument(Ctl(fake_, {"map", "gpu0/2", "-o", "json"}).out);
  EXPECT_EQ(one.fields().count("region"), 1u);
  const FakeShmemd empty((CannedData()));
  EXPECT_EQ(Ctl(empty, {"map", "-o", "json"}).out, "{\n \"layouts\": []\n}\n");
  EXPECT_EQ(Ctl(empty, {"map", "-o", "yaml"}).out, "layouts: []\n");
}

TEST_F(Output, VersionsOfBothAsOneDocument) {
  const auto both = OneDocument(Ctl(fake_, {"version", "-o", "json"}).out);
  EXPECT_NE(both.fields().at("clientVersion").string_value(), "");
  EXPECT_EQ(both.fields().at("version").string_value(), "9.8.7");
  const ProgramRun alone =
      RunProgram("shmemctl", {"version", "-o", "json", "--endpoint", "unix:/nonexistent/api.sock"});
  EXPECT_EQ(alone.exit_code, 0);
  EXPECT_EQ(OneDocument(alone.out).fields().size(), 1u);
  EXPECT_THAT(alone.err, HasSubstr("/nonexistent/api.sock"));
}

TEST_F(Output, FlagsBeforeTheCommandCount) {
  EXPECT_EQ(Ctl(fake_, {"-q", "backends"}).out, "fs0\ngpu0\n");
  EXPECT_EQ(Ctl(fake_, {"-o", "json", "backends"}).out, Ctl(fake_, {"backends", "-o", "json"}).out);
}

}  // namespace
}  // namespace shmemd::client
