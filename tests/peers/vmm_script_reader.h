// Scripts of demo VMMs in YAML; the format is in the program's --help (VmmScriptExample).
#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "tests/peers/vmm_script.h"

namespace shmemd::peers {

// What the text leaves out is as in DefaultVmmScript(). An error names `origin`, the line, the key and what
// was expected there.
absl::StatusOr<VmmScript> ReadVmmScript(std::string_view text, std::string_view origin);

// An error also when the file cannot be read.
absl::StatusOr<VmmScript> ReadVmmScriptFile(const std::string& path);

// The format, by an example that ReadVmmScript takes.
std::string_view VmmScriptExample();

}  // namespace shmemd::peers
