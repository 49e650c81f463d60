// docs/relay.md has the guard's rules as they are in the program.
#include <gtest/gtest.h>

#include <sstream>
#include <string_view>

#include "server/session/guard_rules.h"
#include "tests/golden/reference_file.h"

namespace shmemd::session {
namespace {

std::string_view With(state::Guard guard, state::FindingCode code) {
  if (GuardKeepsAway(guard, code)) return "kept away";
  return GuardShows(guard, code) ? "shown" : "";
}

TEST(GuardReference, IsMadeFromTheRules) {
  std::ostringstream table;
  table << "| Finding | Protects | What happens | off | warn | protect |\n|---|---|---|---|---|---|\n";
  for (const GuardRule& rule : GuardRules()) {
    table << "| " << state::FindingCodeName(rule.code) << " | " << rule.protects << " | " << rule.happens;
    for (const state::Guard guard : {state::Guard::kOff, state::Guard::kWarn, state::Guard::kProtect})
      table << " | " << With(guard, rule.code);
    table << " |\n";
  }
  docs::ExpectInReference("relay.md", table.str());
}

}  // namespace
}  // namespace shmemd::session
