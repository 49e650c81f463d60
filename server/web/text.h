// Numbers, times and names as the page writes them. Pure functions; what they return may stand in HTML, as
// text or between double quotes.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace shmemd::web {

// Whatever a peer or a user may have named: the signs of HTML are escaped, and bytes other than printable
// ASCII are written as \xNN, so that nothing hides or turns the direction of writing. At most `max_bytes` of
// it.
std::string Escaped(std::string_view text, size_t max_bytes = 1024);

// A name as part of an id of HTML and of a path: letters, digits, "-" and "."; other bytes as _NN.
std::string Slug(std::string_view text);

// "512 B", "4 KiB", "12.5 GiB": powers of 1024.
std::string Bytes(uint64_t bytes);
// "0x40000000"
std::string Hex(uint64_t value);
// "12,045"
std::string Count(uint64_t count);
// "1 mapping", "12,045 mappings"
std::string Counted(uint64_t count, std::string_view noun);
// The share of `part` in `whole`, from 0 to 100, rounded down, but never 0 for more than nothing.
int Percent(uint64_t part, uint64_t whole);

// <time> with the time of day, in UTC; `wall_ns` since the Unix epoch.
std::string TimeOfDay(int64_t wall_ns);

}  // namespace shmemd::web
