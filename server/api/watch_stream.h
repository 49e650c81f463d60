// One stream of ShmemInspector.Watch.
//
// Owned by gRPC until OnDone, and by the feed as a listener as long. Holds at most one message that waits to
// be sent: a client that does not read stops its own stream and nothing else. Whoever finds it idle, under
// its mutex, takes the next step and is the only one to call gRPC, after the mutex is left.
#pragma once

#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/server_callback.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "server/api/event_list.h"
#include "server/api/snapshot_slice.h"
#include "server/api/watch_feed.h"
#include "server/base/mutex.h"

namespace shmemd::api {

class WatchStream final : public grpc::ServerWriteReactor<grpc::ByteBuffer>,
                          public ChangeListener,
                          public std::enable_shared_from_this<WatchStream> {
 public:
  // Reads the request, joins the feed, if it has fewer than `max_watchers`, and begins; or finishes at once
  // with the reason why not.
  static grpc::ServerWriteReactor<grpc::ByteBuffer>* Start(WatchFeed& feed, size_t max_watchers,
                                                           const grpc::ByteBuffer& request);

  void End() override;
  void Wake() override;
  void OnWriteDone(bool ok) override;
  void OnCancel() override;
  void OnDone() override;

 private:
  enum class Phase : uint8_t { kBegin, kItems, kSynced, kLive };
  enum class Step : uint8_t { kNone, kWrite, kFinish };

  WatchStream(WatchFeed& feed, size_t max_watchers) : feed_(feed), max_watchers_(max_watchers) {}

  grpc::Status Begin(const v1::WatchRequest& request) ABSL_LOCKS_EXCLUDED(mutex_);
  void Advance() ABSL_LOCKS_EXCLUDED(mutex_);
  Step TakeStep() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // True: out_ is what to write.
  bool MakeNext() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool MakeItems() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool MakeLive() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Restart(WatchFeed::Next why) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void ReadSlice() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Put(v1::WatchResponse response, bool with_token) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void PutChange(const grpc::Slice& change, bool with_token) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  WatchFeed& feed_;
  const size_t max_watchers_;
  std::shared_ptr<WatchStream> self_;  // until OnDone

  base::Mutex mutex_;
  EventFilter filter_ ABSL_GUARDED_BY(mutex_);
  bool changes_only_ ABSL_GUARDED_BY(mutex_) = false;
  Phase phase_ ABSL_GUARDED_BY(mutex_) = Phase::kBegin;
  v1::SnapshotBegin::Reason reason_ ABSL_GUARDED_BY(mutex_) = v1::SnapshotBegin::STREAM_BEGINS;
  uint64_t epoch_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t cursor_ ABSL_GUARDED_BY(mutex_) = 0;  // everything up to it was told, as far as items were sent
  std::optional<SnapshotPlace> place_ ABSL_GUARDED_BY(mutex_);  // how far items were sent
  std::optional<SnapshotSlice> slice_
      ABSL_GUARDED_BY(mutex_);                         // the next items, after changes up to its revision
  int64_t last_write_ns_ ABSL_GUARDED_BY(mutex_) = 0;  // monotonic
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;
  bool started_ ABSL_GUARDED_BY(mutex_) = false;
  bool told_end_ ABSL_GUARDED_BY(mutex_) = false;
  bool ending_ ABSL_GUARDED_BY(mutex_) = false;
  bool cancelled_ ABSL_GUARDED_BY(mutex_) = false;
  bool finished_ ABSL_GUARDED_BY(mutex_) = false;

  // Of the step that was taken: belong to whoever took it.
  grpc::ByteBuffer out_;
  grpc::Status status_;
};

}  // namespace shmemd::api
