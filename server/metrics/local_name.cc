#include "server/metrics/local_name.h"

#include <absl/strings/match.h>

namespace shmemd::metrics {

bool IsLocalName(std::string_view host) {
  if (host.starts_with('[')) return true;
  host = host.substr(0, host.rfind(':'));
  if (host.empty()) return true;
  if (host.ends_with('.')) host.remove_suffix(1);
  const bool address = host.find_first_not_of("0123456789.") == std::string_view::npos;
  const absl::string_view name(host.data(), host.size());
  return address || absl::EqualsIgnoreCase(name, "localhost") || absl::EndsWithIgnoreCase(name, ".localhost");
}

}  // namespace shmemd::metrics
