// What is known to hurt a VMM, as one table: which VMM and version, what happens, what shows it, and whether
// `guard: protect` keeps it away. Constant, any thread.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "server/state/backend_spec.h"
#include "server/state/findings.h"

namespace shmemd::session {

struct GuardRule {
  state::FindingCode code{};  // what shows it
  std::string_view protects;  // VMM and version in which it was seen
  std::string_view happens;   // what it does to that VMM
  bool always_shown = false;  // a finding in every mode, also with guard: off
  bool kept_away = false;     // guard: protect answers or drops the request itself
};

std::span<const GuardRule> GuardRules();
// nullptr: not among the rules.
const GuardRule* FindGuardRule(state::FindingCode code);

// Whether `guard` raises the finding. True for codes that are not among the rules.
bool GuardShows(state::Guard guard, state::FindingCode code);
// Whether `guard` keeps requests from the VMM that the rule is about.
bool GuardKeepsAway(state::Guard guard, state::FindingCode code);

}  // namespace shmemd::session
