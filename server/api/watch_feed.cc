#include "server/api/watch_feed.h"

#include <algorithm>
#include <utility>

#include "server/api/watch_change.h"
#include "server/base/thread_name.h"
#include "server/convert/event.h"

namespace shmemd::api {
namespace {

// Entries that are copied with the replica locked at most.
constexpr size_t kPullEntries = 256;
// How exact bookmarks are.
constexpr std::chrono::milliseconds kTick{1000};

grpc::Slice ToSlice(const v1::WatchResponse& response) { return grpc::Slice(response.SerializeAsString()); }

}  // namespace

WatchFeed::WatchFeed(ReplicaReader reader, WatchLimits limits)
    : reader_(std::move(reader)), limits_(limits), thread_([this] { Run(); }) {}

WatchFeed::~WatchFeed() {
  End();
  thread_.join();
}

void WatchFeed::End() {
  {
    base::MutexLock lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  for (const std::shared_ptr<ChangeListener>& listener : listeners()) listener->End();
}

bool WatchFeed::stopped() const {
  base::MutexLock lock(mutex_);
  return stopping_;
}

bool WatchFeed::Join(const std::shared_ptr<ChangeListener>& listener) {
  base::MutexLock pulling(pull_mutex_);
  {
    base::MutexLock lock(mutex_);
    if (listeners_.size() >= limits_.max_watchers || stopping_) return false;
    listeners_.insert(listener);
    if (listeners_.size() > 1) return true;
  }
  // Nobody listened, so nothing was pulled: begin here.
  uint64_t revision = 0;
  reader_([&](const feed::ReplicaView& view) { revision = view.revision; });
  Append({}, revision, true);
  watched_.store(true);
  wake_.notify_all();
  return true;
}

void WatchFeed::Leave(const std::shared_ptr<ChangeListener>& listener) {
  base::MutexLock lock(mutex_);
  listeners_.erase(listener);
  if (!listeners_.empty()) return;
  watched_.store(false);
  ring_.clear();
  ring_bytes_ = 0;
}

size_t WatchFeed::watcher_count() const {
  base::MutexLock lock(mutex_);
  return listeners_.size();
}

std::vector<std::shared_ptr<ChangeListener>> WatchFeed::listeners() const {
  base::MutexLock lock(mutex_);
  return {listeners_.begin(), listeners_.end()};
}

void WatchFeed::Notify() {
  if (!watched_.load()) return;
  {
    base::MutexLock lock(mutex_);
    changed_ = true;
  }
  wake_.notify_all();
}

void WatchFeed::Run() {
  base::NameThisThread("watch-feed");
  const auto tick = std::min(kTick, limits_.bookmark_after);
  while (true) {
    {
      base::MutexLock lock(mutex_);
      while (!stopping_ && listeners_.empty()) wake_.wait(mutex_);
      if (!stopping_ && !changed_) wake_.wait_for(mutex_, tick);
      if (stopping_) return;
      changed_ = false;
    }
    bool more = true;
    while (more) {
      more = Pull();
      for (const std::shared_ptr<ChangeListener>& listener : listeners()) listener->Wake();
    }
  }
}

bool WatchFeed::Pull() {
  base::MutexLock pulling(pull_mutex_);
  return PullLocked();
}

bool WatchFeed::PullLocked() {
  uint64_t pulled = 0;
  {
    base::MutexLock lock(mutex_);
    pulled = pulled_;
  }
  uint64_t epoch = 0;
  bool broken = false;
  std::vector<ChangeRecord> records;
  reader_([&](const feed::ReplicaView& view) {
    epoch = view.events.epoch();
    broken = pulled < view.events.complete_since() &&
             (view.events.size() == 0 || view.events.at(0).revision > pulled + 1);
    if (!broken) records = CopyChanges(view, pulled, kPullEntries);
    pulled = records.size() == kPullEntries ? records.back().entry.revision : view.revision;
  });
  std::vector<Entry> entries;
  entries.reserve(records.size());
  for (const ChangeRecord& record : records) {
    v1::WatchResponse response;
    *response.mutable_change() = ToProto(record);
    Number(epoch, record.entry.revision, response);
    entries.push_back({record.entry.revision, record.entry.backend_id, convert::ShmidOf(record.entry),
                       convert::TypeOf(record.entry), record.entry.breaks_copies(), ToSlice(response)});
  }
  Append(std::move(entries), pulled, broken);
  return records.size() == kPullEntries;
}

void WatchFeed::Append(std::vector<Entry> entries, uint64_t pulled, bool broken) {
  base::MutexLock lock(mutex_);
  if (broken) {
    ring_.clear();
    ring_bytes_ = 0;
    ring_after_ = pulled;
  }
  for (Entry& entry : entries) {
    ring_bytes_ += entry.bytes.size();
    ring_.push_back(std::move(entry));
  }
  while (ring_bytes_ > limits_.ring_bytes && ring_.size() > 1) {
    ring_after_ = ring_.front().revision;
    ring_bytes_ -= ring_.front().bytes.size();
    ring_.pop_front();
  }
  pulled_ = pulled;
}

bool WatchFeed::Cover(uint64_t revision) {
  base::MutexLock pulling(pull_mutex_);
  bool kept = false;
  reader_([&](const feed::ReplicaView& view) {
    kept = revision >= view.events.complete_since() && revision <= view.revision;
  });
  if (!kept) return false;
  {
    base::MutexLock lock(mutex_);
    if (revision >= ring_after_ && revision <= pulled_) return true;
  }
  // Made anew from there on: the other cursors are revisions and stay right.
  Append({}, revision, true);
  while (PullLocked()) {
  }
  return true;
}

void WatchFeed::CatchUp(uint64_t revision) {
  base::MutexLock pulling(pull_mutex_);
  while (true) {
    {
      base::MutexLock lock(mutex_);
      if (pulled_ >= revision) return;
    }
    PullLocked();
  }
}

WatchFeed::Next WatchFeed::Find(const EventFilter& filter, uint64_t until, uint64_t& cursor,
                                grpc::Slice& change, std::string& backend_id) const {
  base::MutexLock lock(mutex_);
  if (cursor < ring_after_) return Next::kGone;
  auto entry = std::upper_bound(ring_.begin(), ring_.end(), cursor,
                                [](uint64_t revision, const Entry& e) { return revision < e.revision; });
  for (; entry != ring_.end() && entry->revision <= until; ++entry) {
    if (entry->breaks_copies) return Next::kBroken;
    cursor = entry->revision;
    if (!filter.Matches(entry->backend_id, entry->shmid, entry->type)) continue;
    change = entry->bytes;
    backend_id = entry->backend_id;
    return Next::kChange;
  }
  cursor = std::max(cursor, std::min(until, pulled_));
  return Next::kNone;
}

}  // namespace shmemd::api
