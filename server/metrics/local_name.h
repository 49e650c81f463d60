// Whose name a request was sent to. A pure function.
#pragma once

#include <string_view>

namespace shmemd::metrics {

// Whether a Host header names this host: localhost, or an address. Any other name of a loopback port was led
// there by somebody's DNS, so that a web page of theirs may read what is answered. Empty (HTTP/1.0): yes.
bool IsLocalName(std::string_view host);

}  // namespace shmemd::metrics
