// What a relay entry can say beside its sockets. Each is also a setting, which is the default for all entries
// that do not say it themselves.
#pragma once

#include <absl/status/status.h>

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "server/state/backend_spec.h"

namespace shmemd::app {

struct RelayKey {
  std::string_view setting;  // "relay.query"; in an entry "query"
  std::string_view flag;     // "--query"
  std::string_view value;    // what the value is, for the help
  std::string_view fallback;
  std::string_view help;
  // InvalidArgument says what was expected and got, without naming key or place.
  std::function<absl::Status(state::BackendSpec&, const std::string&)> set;

  std::string_view name() const;
};
const std::vector<RelayKey>& RelayKeys();

// A relay that is told nothing.
state::BackendSpec PlainRelay();

}  // namespace shmemd::app
