#include "server/feed/update_queue.h"

#include <utility>

namespace shmemd::feed {

bool UpdateQueue::TryPush(Update&& update) {
  if (!ring_.TryPush(std::move(update))) return false;
  // Either we see that the hub sleeps, or PrepareToSleep sees what was pushed.
  if (hub_sleeps_.load() && hub_sleeps_.exchange(false)) {
    if (const WakeFd* wake = wake_.load(std::memory_order_acquire)) wake->Ring();
  }
  return true;
}

void UpdateQueue::MarkLost() {
  dropped_.fetch_add(1, std::memory_order_relaxed);
  lost_.store(true, std::memory_order_release);
}

bool UpdateQueue::PrepareToSleep() {
  hub_sleeps_.store(true);
  return ring_.empty();
}

}  // namespace shmemd::feed
