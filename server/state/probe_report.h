// What asking a back-end directly showed.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "server/state/status.h"

namespace shmemd::state {

enum class CheckResult : uint8_t { kPassed, kFailed, kSkipped };

struct ProbeCheck {
  std::string rule;         // stable, lower-kebab
  std::string description;  // what the rule says
  std::string source;       // section of the specification, or implementation
  CheckResult result = CheckResult::kSkipped;
  std::string evidence;  // expected and got
};

struct ProbeReport {
  std::string socket;
  int64_t start_time_ns = 0;  // wall clock
  int64_t duration_ns = 0;
  Features features;
  ShmemConfig config;
  std::vector<std::pair<uint8_t, uint64_t>> regions;  // shmid and size in bytes, by shmid
  std::vector<ProbeCheck> checks;                     // in the order of the conversation
  Cause failure;                                      // kNone: it came to its end
  std::string failure_text;                           // words for `failure`; empty when it came to its end

  bool passed() const;  // no check failed and it came to its end
};

}  // namespace shmemd::state
