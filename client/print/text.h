// Text that goes to a terminal: how wide it is there, cut to a width, and made harmless. Pure functions.
#pragma once

#include <string>
#include <string_view>

namespace shmemd::client {

// The columns that UTF-8 text takes in a terminal: combining marks 0, East Asian wide characters and emoji 2.
// Bytes that are no UTF-8 count 1 each.
int DisplayWidth(std::string_view text);

// The text, cut so that it takes at most `width` columns; an ellipsis ("…", or "~" without UTF-8) replaces
// the rest.
std::string Truncate(std::string_view text, int width, bool utf8);

// The text with everything replaced that could steer a terminal or break a line: control characters and bytes
// that are no UTF-8 become "\xNN"; without `utf8` every other character outside ASCII becomes "?". Names of
// processes and texts of back-ends come from others.
std::string Printable(std::string_view text, bool utf8);

// Lines of at most `width` columns, broken at blanks; the first begins with `lead`, the others with as many
// blanks. A word that is too long for a line has one of its own. Each ends with a newline. `width` 0: one
// line.
std::string Wrapped(std::string_view lead, std::string_view text, int width);

// `text` followed by blanks, or preceded by them, up to `width` columns.
std::string PadRight(std::string_view text, int width);
std::string PadLeft(std::string_view text, int width);

// How many single-character edits (insert, delete, replace, swap of neighbours) lead from one word to the
// other.
int EditDistance(std::string_view from, std::string_view to);

}  // namespace shmemd::client
