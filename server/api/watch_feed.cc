#include "server/api/watch_feed.h"

#include <algorithm>
#include <iterator>
#include <utility>

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

bool WatchFeed::Join(const std::shared_ptr<ChangeListener>& listener, const std::string& backend_id,
                     size_t max_watchers) {
  base::MutexLock pulling(pull_mutex_);
  {
    base::MutexLock lock(mutex_);
    const size_t count = CountLocked();
    if (count >= std::min(max_watchers, limits_.max_watchers) || stopping_) return false;
    listeners_[backend_id].insert(listener);
    if (count > 0) return true;
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
  for (auto of_backend = listeners_.begin(); of_backend != listeners_.end();) {
    of_backend->second.erase(listener);
    of_backend = of_backend->second.empty() ? listeners_.erase(of_backend) : std::next(of_backend);
  }
  if (!listeners_.empty()) return;
  watched_.store(false);
  ring_.clear();
  ring_bytes_ = 0;
}

size_t WatchFeed::watcher_count() const {
  base::MutexLock lock(mutex_);
  return CountLocked();
}

size_t WatchFeed::CountLocked() const {
  size_t count = 0;
  for (const auto& [backend_id, of_backend] : listeners_) count += of_backend.size();
  return count;
}

std::vector<std::shared_ptr<ChangeListener>> WatchFeed::listeners() const {
  base::MutexLock lock(mutex_);
  std::vector<std::shared_ptr<ChangeListener>> all;
  for (const auto& [backend_id, of_backend] : listeners_) {
    all.insert(all.end(), of_backend.begin(), of_backend.end());
  }
  return all;
}

// With many back-ends most changes concern few watchers. The others are woken from time to time, well before
// the ring has turned over: then their cursors go on, and bookmarks are sent.
std::vector<std::shared_ptr<ChangeListener>> WatchFeed::TakeConcerned(bool all) {
  {
    base::MutexLock lock(mutex_);
    all |= all_touched_ || bytes_since_all_ > limits_.ring_bytes / 4;
    const std::set<std::string> touched = std::exchange(touched_, {std::string()});
    all_touched_ = false;
    if (!all) {
      std::vector<std::shared_ptr<ChangeListener>> concerned;
      for (const std::string& backend_id : touched) {
        const auto found = listeners_.find(backend_id);
        if (found == listeners_.end()) continue;
        concerned.insert(concerned.end(), found->second.begin(), found->second.end());
      }
      return concerned;
    }
    bytes_since_all_ = 0;
  }
  return listeners();
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
  auto all_woken = std::chrono::steady_clock::now();
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
      const auto now = std::chrono::steady_clock::now();
      const bool all = now - all_woken >= tick;
      if (all) all_woken = now;
      for (const std::shared_ptr<ChangeListener>& listener : TakeConcerned(all)) listener->Wake();
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
  for (const ChangeRecord& record : records) entries.push_back(EntryOf(record, epoch));
  Append(std::move(entries), pulled, broken);
  return records.size() == kPullEntries;
}

WatchFeed::Entry WatchFeed::EntryOf(const ChangeRecord& record, uint64_t epoch) {
  v1::WatchResponse response;
  *response.mutable_change() = ToProto(record);
  Number(epoch, record.entry.revision, response);
  return {record.entry.revision,         record.entry.backend_id,      convert::ShmidOf(record.entry),
          convert::TypeOf(record.entry), record.entry.breaks_copies(), ToSlice(response)};
}

void WatchFeed::Append(std::vector<Entry> entries, uint64_t pulled, bool broken) {
  base::MutexLock lock(mutex_);
  if (broken) {
    ring_.clear();
    ring_bytes_ = 0;
    ring_after_ = pulled;
    all_touched_ = true;
  }
  for (Entry& entry : entries) {
    touched_.insert(entry.backend_id);
    all_touched_ |= entry.backend_id.empty();
    bytes_since_all_ += entry.bytes.size();
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
  uint64_t end = 0;
  size_t room = 0;
  {
    base::MutexLock lock(mutex_);
    end = ring_after_;
    room = limits_.ring_bytes - std::min(limits_.ring_bytes, ring_bytes_);
  }
  std::deque<Entry> older;
  size_t bytes = 0;
  uint64_t at = revision;
  bool more = true;
  while (more) {
    uint64_t epoch = 0;
    bool kept = false;
    std::vector<ChangeRecord> records;
    reader_([&](const feed::ReplicaView& view) {
      epoch = view.events.epoch();
      kept = revision >= view.events.complete_since() && revision <= view.revision;
      if (kept && at < end) records = CopyChanges(view, at, kPullEntries);
    });
    if (!kept) return false;
    more = records.size() == kPullEntries && records.back().entry.revision < end;
    for (const ChangeRecord& record : records) {
      at = record.entry.revision;
      if (at > end) break;
      older.push_back(EntryOf(record, epoch));
      bytes += older.back().bytes.size();
      if (bytes > room) return false;
    }
  }
  // Only put in front: the others' cursors are inside the ring, or at its end.
  base::MutexLock lock(mutex_);
  ring_.insert(ring_.begin(), std::make_move_iterator(older.begin()), std::make_move_iterator(older.end()));
  ring_bytes_ += bytes;
  ring_after_ = std::min(ring_after_, revision);
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
    if (entry->breaks_copies && filter.InScope(entry->backend_id, entry->shmid)) return Next::kBroken;
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
