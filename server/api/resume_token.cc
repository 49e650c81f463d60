#include "server/api/resume_token.h"

#include <absl/strings/escaping.h>
#include <absl/strings/string_view.h>

#include <array>
#include <cstring>

namespace shmemd::api {
namespace {

constexpr uint8_t kVersion = 1;
// Version, source, epoch, sequence, then a checksum of all of them.
constexpr size_t kEpochAt = 2;
constexpr size_t kSequenceAt = kEpochAt + sizeof(uint64_t);
constexpr size_t kChecksumAt = kSequenceAt + sizeof(uint64_t);
constexpr size_t kTokenBytes = kChecksumAt + sizeof(uint32_t);

// FNV-1a, 32 bits: notices damage, which is all that is asked for.
uint32_t Checksum(const char* bytes) {
  uint32_t hash = 0x811c9dc5;
  for (size_t i = 0; i < kChecksumAt; ++i) hash = (hash ^ static_cast<uint8_t>(bytes[i])) * 0x01000193;
  return hash;
}

}  // namespace

std::string EncodeResumeToken(const ResumePoint& point) {
  std::array<char, kTokenBytes> bytes{};
  bytes[0] = static_cast<char>(kVersion);
  bytes[1] = static_cast<char>(point.source);
  std::memcpy(bytes.data() + kEpochAt, &point.epoch, sizeof(point.epoch));
  std::memcpy(bytes.data() + kSequenceAt, &point.sequence, sizeof(point.sequence));
  const uint32_t checksum = Checksum(bytes.data());
  std::memcpy(bytes.data() + kChecksumAt, &checksum, sizeof(checksum));
  return absl::WebSafeBase64Escape(absl::string_view(bytes.data(), bytes.size()));
}

std::optional<ResumePoint> DecodeResumeToken(std::string_view token) {
  std::string bytes;
  if (token.size() > 2 * kTokenBytes) return std::nullopt;
  if (!absl::WebSafeBase64Unescape(absl::string_view(token.data(), token.size()), &bytes))
    return std::nullopt;
  if (bytes.size() != kTokenBytes || static_cast<uint8_t>(bytes[0]) != kVersion) return std::nullopt;
  uint32_t checksum = 0;
  std::memcpy(&checksum, bytes.data() + kChecksumAt, sizeof(checksum));
  if (checksum != Checksum(bytes.data())) return std::nullopt;
  ResumePoint point;
  point.source = static_cast<uint8_t>(bytes[1]);
  std::memcpy(&point.epoch, bytes.data() + kEpochAt, sizeof(point.epoch));
  std::memcpy(&point.sequence, bytes.data() + kSequenceAt, sizeof(point.sequence));
  return point;
}

}  // namespace shmemd::api
