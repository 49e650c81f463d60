#include "server/state/backing_pool.h"

#include <absl/hash/hash.h>

namespace shmemd::state {

size_t BackingPool::Hash::operator()(const base::FdFacts& facts) const {
  return absl::HashOf(facts.device, facts.inode, facts.size_bytes, facts.seals, facts.kind, facts.access,
                      facts.seals_known);
}

BackingPool::BackingPool() : ids_(0, Hash{&slots_}, Equal{&slots_}) {}

BackingPool::Id BackingPool::Intern(const base::FdFacts& facts) {
  const auto found = ids_.find(facts);
  if (found != ids_.end()) {
    ++slots_[*found].reference_count;
    return *found;
  }
  Id id = 0;
  if (free_.empty()) {
    id = static_cast<Id>(slots_.size());
    slots_.push_back({facts, 1});
  } else {
    id = free_.back();
    free_.pop_back();
    slots_[id] = {facts, 1};
  }
  ids_.insert(id);
  return id;
}

void BackingPool::Release(Id id) {
  if (--slots_[id].reference_count > 0) return;
  ids_.erase(id);
  free_.push_back(id);
}

}  // namespace shmemd::state
