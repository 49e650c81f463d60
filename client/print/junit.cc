#include "client/print/junit.h"

#include <absl/strings/str_cat.h>
#include <absl/strings/str_format.h>
#include <absl/strings/str_replace.h>

#include <algorithm>

#include "client/print/text.h"
#include "client/print/units.h"

namespace shmemd::client {
namespace {

using Result = JunitCase::Result;

// XML has no place for two of the characters that a terminal just does not show: U+FFFE and U+FFFF.
std::string WithoutNoncharacters(std::string text) {
  absl::StrReplaceAll({{"\xef\xbf\xbe", "\\ufffe"}, {"\xef\xbf\xbf", "\\uffff"}}, &text);
  return text;
}

std::string Xml(const std::string& text) {
  std::string escaped;
  for (const char c : WithoutNoncharacters(Printable(text, true))) {
    switch (c) {
      case '&':
        escaped += "&amp;";
        break;
      case '<':
        escaped += "&lt;";
        break;
      case '>':
        escaped += "&gt;";
        break;
      case '"':
        escaped += "&quot;";
        break;
      default:
        escaped += c;
    }
  }
  return escaped;
}

const char* ElementOf(Result result) {
  if (result == Result::kFailed) return "failure";
  return result == Result::kError ? "error" : "skipped";
}

std::string Case(const JunitCase& one) {
  std::string text =
      absl::StrCat("    <testcase classname=\"", Xml(one.class_name), "\" name=\"", Xml(one.name), "\"");
  if (one.result == Result::kPassed) return absl::StrCat(text, "/>\n");
  const char* element = ElementOf(one.result);
  absl::StrAppend(&text, ">\n      <", element, " message=\"", Xml(one.message), "\"");
  if (one.text.empty()) {
    absl::StrAppend(&text, "/>\n");
  } else {
    absl::StrAppend(&text, ">", Xml(one.text), "</", element, ">\n");
  }
  return text += "    </testcase>\n";
}

std::string Suite(const JunitSuite& suite) {
  const auto count = [&suite](Result result) {
    return std::count_if(suite.cases.begin(), suite.cases.end(),
                         [result](const JunitCase& one) { return one.result == result; });
  };
  std::string text = absl::StrFormat(
      "  <testsuite name=\"%s\" tests=\"%d\" failures=\"%d\" errors=\"%d\" skipped=\"%d\" "
      "time=\"%.6f\" timestamp=\"%s\">\n",
      Xml(suite.name), suite.cases.size(), count(Result::kFailed), count(Result::kError),
      count(Result::kSkipped), suite.seconds, FormatTime(suite.time));
  for (const JunitCase& one : suite.cases) text += Case(one);
  return text += "  </testsuite>\n";
}

}  // namespace

std::string RenderJunit(const std::vector<JunitSuite>& suites) {
  std::string text = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n";
  for (const JunitSuite& suite : suites) text += Suite(suite);
  return text += "</testsuites>\n";
}

}  // namespace shmemd::client
