// The bytes of tests/golden/NAME.hex, one message a file.
//
// A file holds groups of hex digits in wire order. `HH*N` is a byte N times, `#` begins a comment. odd_* are
// messages that we read and remark on, bad_* such that our own front-end refuses.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace shmemd::golden {

// Aborts with the reason if the file is missing or is not of this format.
std::vector<uint8_t> Load(std::string_view name);

// All names, sorted, that begin with `prefix`.
std::vector<std::string> Names(std::string_view prefix = {});

}  // namespace shmemd::golden
