// From errno to absl::Status.
#pragma once

#include <absl/status/status.h>

#include <string_view>

namespace shmemd::base {

// "<what>: <text of error_number> (E...)", with the canonical code that fits the errno. `what` names who did
// what to whom, e.g. "connect /run/fs0.sock".
absl::Status PosixError(int error_number, std::string_view what);

// The constant's name, e.g. "ECONNREFUSED"; "E<number>" for one that the C library does not know.
std::string_view PosixErrorName(int error_number);

}  // namespace shmemd::base
