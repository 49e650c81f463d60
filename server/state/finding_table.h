// The words of each finding, one row a code. Private to the model: readers use findings.h.
#pragma once

#include <string_view>

#include "server/state/findings.h"

namespace shmemd::state {

struct FindingRow {
  FindingCode code;
  Severity severity;
  std::string_view name;
  // One sentence; `{key}` is a number of the evidence, `{key:x}` the same in hexadecimal; of `[a|b]` the
  // first part is said whose numbers are all known.
  std::string_view summary;
  std::string_view remedy;
};

const FindingRow& RowOf(FindingCode code);

}  // namespace shmemd::state
