// What the values of settings are made from, each with an error that says what was expected and got. Neither
// key nor place is named: the caller knows them.
#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <absl/strings/string_view.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "server/base/socket_path.h"

namespace shmemd::app {

// Debian's absl::string_view is a class of its own.
inline absl::string_view View(std::string_view text) { return {text.data(), text.size()}; }

// `text` as an error shows it, which may go to a client: what is longer is cut, between letters of UTF-8.
inline constexpr size_t kMostShownBytes = 256;
std::string Shortened(std::string_view text);

// "expected X, got 'Y'", with Y cut to kMostShownBytes.
absl::Status Expected(std::string_view expected, std::string_view got);

// "5s", "250ms", "2m" as milliseconds; "1TiB", "64 MiB", "4096" as bytes; "0660" as a file mode.
absl::StatusOr<int64_t> ParseDurationMs(std::string_view text);
absl::StatusOr<int64_t> ParseBytes(std::string_view text);
absl::StatusOr<uint32_t> ParseFileMode(std::string_view text);

// A name that this host knows, or a number, as chown takes it.
absl::StatusOr<uint32_t> ParseUser(std::string_view text);
absl::StatusOr<uint32_t> ParseGroup(std::string_view text);

// OK: `path` can be a socket's.
absl::Status CheckSocketPath(std::string_view path);

}  // namespace shmemd::app
