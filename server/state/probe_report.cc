#include "server/state/probe_report.h"

#include <algorithm>

namespace shmemd::state {

bool ProbeReport::passed() const {
  return failure.reason == StateReason::kNone &&
         std::none_of(checks.begin(), checks.end(),
                      [](const ProbeCheck& check) { return check.result == CheckResult::kFailed; });
}

}  // namespace shmemd::state
