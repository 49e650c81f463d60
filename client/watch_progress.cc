#include "client/watch_progress.h"

#include "shmemd/error.h"

namespace shmemd::client {

const char* NameOf(SnapshotReason reason) {
  switch (reason) {
    case SnapshotReason::kFirst:
      return "FIRST";
    case SnapshotReason::kInterrupted:
      return "INTERRUPTED";
    case SnapshotReason::kExpired:
      return "EXPIRED";
    case SnapshotReason::kSlowReader:
      return "SLOW_READER";
    case SnapshotReason::kEventsLost:
      return "EVENTS_LOST";
  }
  return "UNKNOWN";
}

bool MayHeal(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kPermissionDenied:
    case absl::StatusCode::kUnauthenticated:
    case absl::StatusCode::kUnimplemented:
      return false;
    default:
      return true;
  }
}

WatchProgress::WatchProgress(const WatchOptions& options)
    : changes_only_(options.changes_only), token_(options.resume_token) {
  request_.set_parent(options.parent);
  for (const v1::Event::Type type : options.types) request_.add_types(type);
}

v1::WatchRequest WatchProgress::NextRequest() const {
  v1::WatchRequest request = request_;
  request.set_resume_token(token_);
  request.set_changes_only(changes_only_ && token_.empty());
  return request;
}

void WatchProgress::Take(const v1::WatchResponse& response, WatchSink& sink) {
  // A stream that was resumed knows nothing of changes_only, and sends a snapshot whole.
  const bool untold = changes_only_ && in_snapshot_;
  switch (response.body_case()) {
    case v1::WatchResponse::kSnapshotBegin:
      if (response.snapshot_begin().reason() == v1::SnapshotBegin::SLOW_READER) {
        BeginSnapshot(SnapshotReason::kSlowReader, sink);
      } else if (response.snapshot_begin().reason() == v1::SnapshotBegin::EVENTS_LOST) {
        BeginSnapshot(SnapshotReason::kEventsLost, sink);
      } else {
        BeginSnapshot(next_reason_, sink);
      }
      break;
    case v1::WatchResponse::kSnapshot:
      if (!untold) sink.OnSnapshot(response.snapshot());
      break;
    case v1::WatchResponse::kSynced:
      TakeSynced(response.revision(), sink);
      break;
    case v1::WatchResponse::kChange:
      if (!untold) sink.OnChange(response.change(), response.revision());
      break;
    case v1::WatchResponse::kBookmark:
      if (!in_snapshot_) sink.OnBookmark(response.revision());
      break;
    case v1::WatchResponse::BODY_NOT_SET:  // something that later servers say
      break;
  }
  token_ = response.resume_token();
}

void WatchProgress::BeginSnapshot(SnapshotReason reason, WatchSink& sink) {
  in_snapshot_ = true;
  next_reason_ = SnapshotReason::kInterrupted;
  sink.OnSnapshotBegin(reason);
}

void WatchProgress::TakeSynced(int64_t revision, WatchSink& sink) {
  // With changes_only a stream says nothing of the gap that it begins with.
  if (!in_snapshot_ && next_reason_ != SnapshotReason::kFirst) BeginSnapshot(next_reason_, sink);
  in_snapshot_ = false;
  next_reason_ = SnapshotReason::kInterrupted;
  sink.OnSynced(revision);
}

bool WatchProgress::Ended(const absl::Status& status) {
  const bool expired =
      status.code() == absl::StatusCode::kOutOfRange || ErrorReason(status) == "RESUME_TOKEN_INVALID";
  if (!expired || token_.empty()) return false;
  token_.clear();
  next_reason_ = SnapshotReason::kExpired;
  return true;
}

}  // namespace shmemd::client
