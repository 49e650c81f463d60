// What watchers are told, made once for all of them: changes from the event log as ready messages, in a
// bounded ring that each watcher reads with a cursor of its own.
//
// Owned by ApiServer. One thread makes the changes and wakes the watchers that wait for them; it sleeps while
// there are none. Memory is bounded by the ring: no watcher has a queue, and one that never reads costs
// nothing but its stream. Any thread may call.
#pragma once

#include <grpcpp/support/slice.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "server/api/event_list.h"
#include "server/api/replica_reader.h"
#include "server/api/watch_change.h"
#include "server/base/mutex.h"
#include "vhost/shmem/v1/watch.pb.h"

namespace shmemd::api {

struct WatchLimits {
  size_t max_watchers = 1024;
  // How many of them readers leave to the admin role.
  size_t reserve() const { return std::min(size_t{16}, max_watchers / 4); }
  size_t ring_bytes = size_t{4} << 20;
  // A stream on which nothing was said for so long says that it is alive.
  std::chrono::milliseconds bookmark_after{15'000};
};

// Somebody who waits for changes.
class ChangeListener {
 public:
  virtual ~ChangeListener() = default;
  // There may be more to tell, or a bookmark is due. On the feed's thread, with nothing locked.
  virtual void Wake() = 0;
  // shmemd ends: a last bookmark, then UNAVAILABLE.
  virtual void End() = 0;
};

class WatchFeed {
 public:
  WatchFeed(ReplicaReader reader, WatchLimits limits);
  ~WatchFeed();  // stops
  WatchFeed(const WatchFeed&) = delete;
  WatchFeed& operator=(const WatchFeed&) = delete;

  const WatchLimits& limits() const { return limits_; }
  const ReplicaReader& reader() const { return reader_; }

  // It is woken when something happens to that back-end (empty: to any), and about once a second. False:
  // there are `max_watchers` already, or shmemd ends.
  bool Join(const std::shared_ptr<ChangeListener>& listener, const std::string& backend_id,
            size_t max_watchers);
  void Leave(const std::shared_ptr<ChangeListener>& listener);
  size_t watcher_count() const;
  std::vector<std::shared_ptr<ChangeListener>> listeners() const;

  // Something changed in the replica. Cheap.
  void Notify();
  // Ends all streams; nobody joins any more.
  void End();
  bool stopped() const;

  // Sees to it that the ring has everything after `revision`. False: that is not kept any more, or more than
  // the ring has room for.
  bool Cover(uint64_t revision);
  // Sees to it that everything up to `revision` is in the ring.
  void CatchUp(uint64_t revision);

  enum class Next {
    kChange,  // `change` is set; the cursor is behind it
    kNone,    // nothing for this filter; the cursor is where the ring ends
    kGone,    // what follows the cursor is not kept
    kBroken,  // what follows the cursor cannot be told
  };
  // The first change after the cursor, and not after `until`, that passes.
  Next Find(const EventFilter& filter, uint64_t until, uint64_t& cursor, grpc::Slice& change,
            std::string& backend_id) const;

 private:
  struct Entry {
    uint64_t revision = 0;
    std::string backend_id;
    std::optional<uint8_t> shmid;
    v1::Event::Type type = v1::Event::TYPE_UNSPECIFIED;
    bool breaks_copies = false;
    grpc::Slice bytes;  // a WatchResponse
  };

  void Run();
  // True when there may be more.
  bool Pull();
  // Those whom what was pulled since the last call concerns; or all.
  std::vector<std::shared_ptr<ChangeListener>> TakeConcerned(bool all);
  bool PullLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(pull_mutex_);
  static Entry EntryOf(const ChangeRecord& record, uint64_t epoch);
  size_t CountLocked() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Append(std::vector<Entry> entries, uint64_t pulled, bool broken);

  const ReplicaReader reader_;
  const WatchLimits limits_;

  base::Mutex pull_mutex_;  // one pulls at a time; taken before mutex_, never with it

  mutable base::Mutex mutex_;
  base::CondVar wake_;
  // By back-end; none of the sets is empty.
  std::map<std::string, std::set<std::shared_ptr<ChangeListener>>> listeners_ ABSL_GUARDED_BY(mutex_);
  // Back-ends since the last wake-up, and "": who listens to any.
  std::set<std::string> touched_ ABSL_GUARDED_BY(mutex_){std::string()};
  bool all_touched_ ABSL_GUARDED_BY(mutex_) = false;
  size_t bytes_since_all_ ABSL_GUARDED_BY(mutex_) = 0;  // appended since all were woken
  std::deque<Entry> ring_ ABSL_GUARDED_BY(mutex_);
  size_t ring_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t ring_after_ ABSL_GUARDED_BY(mutex_) = 0;  // the ring has everything after this revision
  uint64_t pulled_ ABSL_GUARDED_BY(mutex_) = 0;      // and up to this one
  bool changed_ ABSL_GUARDED_BY(mutex_) = false;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;

  std::atomic<bool> watched_{false};
  std::thread thread_;
};

}  // namespace shmemd::api
