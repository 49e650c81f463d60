// Answers in fewer bytes, for those who ask: pages and JSON become a tenth, which then fits into a socket's
// buffer.
#pragma once

#include <string>
#include <string_view>

namespace shmemd::metrics {

// The text as gzip; empty if that fails, which only a lack of memory can cause.
std::string Gzip(std::string_view text);

// Whether an Accept-Encoding header takes gzip. nullptr: there is none.
bool AcceptsGzip(const char* accept_encoding);

}  // namespace shmemd::metrics
