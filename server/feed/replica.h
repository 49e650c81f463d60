// The readers' copy of all back-ends, by id. Guarded by the hub; readers see it through Hub::Read only.
#pragma once

#include <absl/container/btree_map.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "server/state/backend.h"

namespace shmemd::feed {

// Back-ends by id, which is also the order of every list.
using BackendsById = absl::btree_map<std::string, std::shared_ptr<const state::Backend>>;

struct ReplicaView {
  const BackendsById& backends;
  uint64_t revision = 0;  // changes applied so far; grows by one with each
  bool synced = true;     // false while lost events are being caught up with

  // nullptr: not attached.
  const state::Backend* Find(std::string_view id) const;
};

}  // namespace shmemd::feed
