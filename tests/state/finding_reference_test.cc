// docs/findings.md has every finding as it is in the program.
#include <absl/strings/ascii.h>
#include <absl/strings/str_replace.h>
#include <gtest/gtest.h>

#include <map>
#include <sstream>
#include <string>

#include "server/state/findings.h"
#include "tests/golden/reference_file.h"

namespace shmemd::state {
namespace {

std::string Sentence(std::string text) {
  text.front() = absl::ascii_toupper(static_cast<unsigned char>(text.front()));
  return absl::StrReplaceAll(text, {{"{", "*"}, {"}", "*"}}) + ".";
}

// One section a name, in the order of the alphabet; a name may stand for several cases.
std::string Sections() {
  std::map<std::string_view, std::string> sections;
  for (int i = 0; i < kFindingCodeCount; ++i) {
    const auto code = static_cast<FindingCode>(i);
    std::ostringstream section;
    section << "\n**" << SeverityName(FindingSeverity(code)) << "** · " << Sentence(FindingPattern(code))
            << "\n\n"
            << FindingRemedy(code) << "\n";
    sections[FindingCodeName(code)] += section.str();
  }
  std::string text;
  for (const auto& [name, section] : sections) text += "\n## " + std::string(name) + "\n" + section;
  return text + "\n";
}

TEST(FindingReference, IsMadeFromTheTable) { docs::ExpectInReference("findings.md", Sections()); }

TEST(FindingReference, EachFindingSaysWhatToDo) {
  for (int i = 0; i < kFindingCodeCount; ++i) {
    const auto code = static_cast<FindingCode>(i);
    EXPECT_GT(FindingRemedy(code).size(), 20U) << FindingCodeName(code);
    EXPECT_EQ(FindingPattern(code).find_first_of("[]|?"), std::string::npos) << FindingPattern(code);
  }
}

}  // namespace
}  // namespace shmemd::state
