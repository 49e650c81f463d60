#include "server/api/page_token.h"

#include <absl/strings/escaping.h>
#include <absl/strings/string_view.h>

#include <cstring>

namespace shmemd::api {
namespace {

constexpr char kVersion = 2;
constexpr size_t kMaxIdBytes = 63;

// What stands before the id: version, checksum, shmid, rank, sort.
constexpr size_t kChecksumAt = 1;
constexpr size_t kKeyAt = kChecksumAt + sizeof(uint64_t);
constexpr size_t kRankAt = kKeyAt + sizeof(int16_t);
constexpr size_t kSortAt = kRankAt + sizeof(uint64_t);
constexpr size_t kIdAt = kSortAt + sizeof(uint64_t);
constexpr size_t kMaxTokenBytes = (kIdAt + kMaxIdBytes) * 4 / 3 + 4;

// FNV-1a, 64 bits: notices damage and mix-ups, which is all that is asked for.
uint64_t Checksum(std::string_view request, std::string_view key) {
  uint64_t hash = 0xcbf29ce484222325;
  const auto add = [&hash](unsigned char byte) { hash = (hash ^ byte) * 0x100000001b3; };
  for (char c : request) add(static_cast<unsigned char>(c));
  add(0);
  for (char c : key) add(static_cast<unsigned char>(c));
  return hash;
}

template <typename T>
void Put(std::string& out, T value) {
  char bytes[sizeof(T)];
  std::memcpy(bytes, &value, sizeof(T));
  out.append(bytes, sizeof(T));
}

template <typename T>
T Get(std::string_view bytes, size_t at) {
  T value;
  std::memcpy(&value, bytes.data() + at, sizeof(T));
  return value;
}

}  // namespace

std::string EncodePageToken(std::string_view request, const PageKey& last) {
  std::string key;
  Put(key, last.shmid);
  Put(key, last.rank);
  Put(key, last.sort);
  key += last.backend_id;
  std::string token(1, kVersion);
  Put(token, Checksum(request, key));
  token += key;
  return absl::WebSafeBase64Escape(token);
}

std::optional<PageKey> DecodePageToken(std::string_view request, std::string_view token) {
  std::string bytes;
  if (token.size() > kMaxTokenBytes) return std::nullopt;
  if (!absl::WebSafeBase64Unescape(absl::string_view(token.data(), token.size()), &bytes))
    return std::nullopt;
  if (bytes.size() < kIdAt || bytes.size() > kIdAt + kMaxIdBytes || bytes[0] != kVersion) return std::nullopt;
  const std::string_view view = bytes;
  if (Get<uint64_t>(view, kChecksumAt) != Checksum(request, view.substr(kKeyAt))) return std::nullopt;
  return PageKey{std::string(view.substr(kIdAt)), Get<int16_t>(view, kKeyAt), Get<uint64_t>(view, kRankAt),
                 Get<uint64_t>(view, kSortAt)};
}

}  // namespace shmemd::api
