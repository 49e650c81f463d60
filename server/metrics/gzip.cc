#include "server/metrics/gzip.h"

#include <absl/strings/ascii.h>
#include <absl/strings/match.h>
#include <absl/strings/numbers.h>
#include <absl/strings/str_split.h>
#include <zlib.h>

namespace shmemd::metrics {
namespace {

// Speed matters more than the last tenth.
constexpr int kLevel = 1;
// 2^15 bytes of window; 16 more says gzip. 2^13 bytes of hash.
constexpr int kGzipWindowBits = 15 + 16;
constexpr int kMemoryLevel = 6;

// "q=0", in whatever letters and with whatever noughts: not wanted.
bool IsRefused(absl::string_view weight) {
  double value = 0;
  return absl::StartsWithIgnoreCase(weight, "q=") && absl::SimpleAtod(weight.substr(2), &value) && value == 0;
}

}  // namespace

std::string Gzip(std::string_view text) {
  z_stream stream{};
  if (deflateInit2(&stream, kLevel, Z_DEFLATED, kGzipWindowBits, kMemoryLevel, Z_DEFAULT_STRATEGY) != Z_OK)
    return "";
  std::string out(deflateBound(&stream, text.size()), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  const bool done = deflate(&stream, Z_FINISH) == Z_STREAM_END;
  out.resize(done ? stream.total_out : 0);
  deflateEnd(&stream);
  return out;
}

bool AcceptsGzip(const char* accept_encoding) {
  if (accept_encoding == nullptr) return false;
  for (const absl::string_view entry : absl::StrSplit(accept_encoding, ',')) {
    const std::pair<absl::string_view, absl::string_view> parts =
        absl::StrSplit(entry, absl::MaxSplits(';', 1));
    const absl::string_view coding = absl::StripAsciiWhitespace(parts.first);
    const absl::string_view weight = absl::StripAsciiWhitespace(parts.second);
    if (absl::EqualsIgnoreCase(coding, "gzip")) return !IsRefused(weight);
  }
  return false;
}

}  // namespace shmemd::metrics
