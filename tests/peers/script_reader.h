// Scripts of demo back-ends in YAML; the format is in the program's --help (ScriptFormat).
#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "tests/peers/script.h"

namespace shmemd::peers {

// What the text leaves out is as in DefaultScript(), but regions without steps have none. An error names
// `origin`, the line, the key and what was expected there.
absl::StatusOr<Script> ReadScript(std::string_view text, std::string_view origin);

// An error also when the file cannot be read.
absl::StatusOr<Script> ReadScriptFile(const std::string& path);

// The format, by an example that ReadScript takes.
std::string_view ScriptExample();

}  // namespace shmemd::peers
