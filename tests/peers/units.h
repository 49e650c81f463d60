// Numbers as people write them: 64MiB, 0x1000, 100ms.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace shmemd::peers {

// 0x1f.
std::string Hex(uint64_t value);

// Decimal or 0x, with KiB, MiB, GiB, TiB or nothing behind it. Nothing when it is no number or above 2^64
// - 1.
std::optional<uint64_t> ParseBytes(std::string_view text);

// A number with ms, s or m.
std::optional<std::chrono::milliseconds> ParseDuration(std::string_view text);

// EINVAL to 22 for the names that front-ends answer with; plain numbers too.
std::optional<int> ParseErrno(std::string_view text);

// "EINVAL", or empty for a number without a name.
std::string ErrnoName(int error);

}  // namespace shmemd::peers
