// A finding about shmemd itself, not about a back-end: rare, and with words instead of numbers.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "server/state/findings.h"

namespace shmemd::state {

struct ServerFinding {
  FindingCode code{};
  bool open = true;
  uint64_t count = 0;
  int64_t first_seen_ns = 0;  // wall clock
  int64_t last_seen_ns = 0;   // wall clock
  std::string summary;        // of the last case
  std::map<std::string, std::string> evidence;

  bool operator==(const ServerFinding&) const = default;
};

}  // namespace shmemd::state
