// Opaque page tokens: the key of the last item that was returned, bound to the request that returned it.
//
// Keys, not positions: an item that lives through a whole listing is neither missed nor listed twice,
// whatever comes and goes around it. Tokens hold no secrets and stay valid over a restart.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace shmemd::api {

// Where an item stands in its list; each list uses what it orders by.
struct PageKey {
  std::string backend_id;
  int16_t shmid = 0;
  uint64_t rank = 0;  // offset of a mapping, code of a finding
  uint64_t sort = 0;  // what the list is ordered by before all of these, if it is

  bool operator==(const PageKey&) const = default;
};

// `request` names the list and all that selects its items; a token is good for that request only.
std::string EncodePageToken(std::string_view request, const PageKey& last);

// nullopt: not a token of ours, or one of another request or version.
std::optional<PageKey> DecodePageToken(std::string_view request, std::string_view token);

}  // namespace shmemd::api
