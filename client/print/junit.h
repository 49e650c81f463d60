// Results of checks as JUnit XML, which CI systems show. Pure functions.
#pragma once

#include <google/protobuf/timestamp.pb.h>

#include <string>
#include <vector>

namespace shmemd::client {

struct JunitCase {
  enum class Result { kPassed, kFailed, kError, kSkipped };

  // Class and name together tell a case from all others, and stay the same from run to run.
  std::string class_name;
  std::string name;
  Result result = Result::kPassed;
  std::string message = {};  // why it did not pass
  std::string text = {};     // more about that
};

struct JunitSuite {
  std::string name;
  double seconds = 0;
  google::protobuf::Timestamp time = {};
  std::vector<JunitCase> cases = {};
};

// One document of all suites. Texts are escaped here.
std::string RenderJunit(const std::vector<JunitSuite>& suites);

}  // namespace shmemd::client
