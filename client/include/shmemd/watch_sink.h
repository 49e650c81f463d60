// Who is told what a Watcher reads. Implemented by users of the library; not owned by the watcher, which
// calls it on its own thread, one call at a time, in the order of the stream. A call may take its time: the
// server then sends a new snapshot instead of what it cannot keep any longer. No call may throw, nor destroy
// the watcher.
#pragma once

#include <absl/status/status.h>

#include <chrono>
#include <cstdint>

#include "vhost/shmem/v1/watch.pb.h"

namespace shmemd::client {

namespace v1 = ::vhost::shmem::v1;

// Why a snapshot begins.
enum class SnapshotReason {
  kFirst,        // the watch begins
  kInterrupted,  // the connection broke in the middle of the snapshot before
  kExpired,  // the connection broke, and what happened since is not kept any more, or shmemd was started anew
  kSlowReader,  // this sink was so slow that changes it has not seen are not kept any more
  kEventsLost,  // shmemd could not keep up, or one change was too large to be told
};

// "kExpired" is "EXPIRED": for logs.
const char* NameOf(SnapshotReason reason);

// Whether time may heal the error: not where the request, the role or the identity is refused.
bool MayHeal(const absl::Status& status);

class WatchSink {
 public:
  virtual ~WatchSink() = default;

  // A snapshot begins: what is not in it is gone, with events that were never told of. With
  // WatchOptions::changes_only: what happened up to OnSynced is not told.
  virtual void OnSnapshotBegin(SnapshotReason /*reason*/) {}
  // A part of it. Until OnSynced there may be changes in between: of what was in the parts before.
  virtual void OnSnapshot(const v1::Snapshot& /*part*/) {}
  // The snapshot is complete: a copy is what shmemd shows at that revision.
  virtual void OnSynced(int64_t /*revision*/) {}
  // Something happened: told exactly once, however often the connection broke in between. How a copy is
  // brought up to date is said at v1::Change; ShmemTable does it.
  virtual void OnChange(const v1::Change& change, int64_t revision) = 0;
  // Nothing happened that was asked for, up to this revision.
  virtual void OnBookmark(int64_t /*revision*/) {}

  // The stream broke, or could not be made; the next try is in `retry_in`, and goes on where this one ended.
  // False: there is none, and no call follows.
  virtual bool OnBroken(const absl::Status& status, std::chrono::milliseconds /*retry_in*/) {
    return MayHeal(status);
  }
};

}  // namespace shmemd::client
