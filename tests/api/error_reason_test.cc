// docs/errors.md, made from the table of reasons.
#include "server/api/error_reason.h"

#include <gtest/gtest.h>

#include <string>

#include "tests/golden/reference_file.h"

namespace shmemd::api {
namespace {

TEST(ErrorReasonTest, TheReferenceHasEachReason) {
  std::string text = "| Reason | Code | Meaning |\n|---|---|---|\n";
  for (int i = 0; i < kReasonCount; ++i) {
    const auto reason = static_cast<Reason>(i);
    text += "| `" + std::string(ReasonName(reason)) + "` | " + std::string(ReasonCodes(reason)) + " | " +
            std::string(ReasonMeaning(reason)) + " |\n";
  }
  docs::ExpectInReference("errors.md", text);
}

}  // namespace
}  // namespace shmemd::api
