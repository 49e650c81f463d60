// The readers' copy of all back-ends. Guarded by the hub; readers see it through Hub::Read only.
#pragma once

#include <absl/container/btree_map.h>
#include <absl/container/flat_hash_map.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "server/feed/update.h"
#include "server/state/backend.h"
#include "server/state/event_log.h"

namespace shmemd::feed {

// Back-ends by id, which is also the order of every list.
using BackendsById = absl::btree_map<std::string, const state::Backend*, std::less<>>;

struct ReplicaView {
  const BackendsById& backends;
  uint64_t revision = 0;  // changes applied so far; grows by one with each
  bool synced = true;     // false while lost events are being caught up with
  const state::EventLog& events;

  // nullptr: not attached.
  const state::Backend* Find(std::string_view id) const;
};

// What one mover published. Updates are applied in the order of its queue; while it catches the hub up they
// go to a second set of tables that takes the place of the first at once.
class SourceReplica {
 public:
  using Tables = absl::flat_hash_map<state::BackendHandle, std::unique_ptr<state::Backend>>;

  explicit SourceReplica(uint64_t page_size) : page_size_(page_size) {}

  // True when what readers see may have changed: it is then logged as `revision`, if it is worth it.
  bool Apply(Update&& update, uint64_t revision, state::EventLog& log);
  const Tables& tables() const { return tables_; }
  bool catching_up() const { return staging_ != nullptr; }
  // True once after a back-end came or went: the index by id has to be made anew.
  bool TakeMembershipChange();

 private:
  // `log`: nullptr for tables that nobody sees yet.
  void ApplyTo(Tables& tables, Update&& update, uint64_t revision, state::EventLog* log);

  const uint64_t page_size_;
  Tables tables_;
  std::unique_ptr<Tables> staging_;
  bool membership_changed_ = false;
};

}  // namespace shmemd::feed
