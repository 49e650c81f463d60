#include "server/api/watch_stream.h"

#include <google/protobuf/repeated_ptr_field.h>
#include <grpcpp/impl/codegen/proto_utils.h>

#include <algorithm>
#include <limits>
#include <utility>

#include "server/api/errors.h"
#include "server/api/list_page.h"
#include "server/api/resume_token.h"
#include "server/api/watch_change.h"
#include "server/base/clock.h"
#include "server/convert/values.h"

namespace shmemd::api {
namespace {

constexpr size_t kSliceItems = 256;
constexpr int64_t kNanosPerMilli = 1'000'000;

grpc::Status ShuttingDown() {
  return Error(grpc::StatusCode::UNAVAILABLE, Reason::kShuttingDown, "shmemd is shutting down");
}

grpc::Status Expired() {
  return Error(grpc::StatusCode::OUT_OF_RANGE, Reason::kResumeTokenExpired,
               "resume_token: what came after it is not kept any more; begin without it");
}

// Leaves those of one region.
void KeepRegion(const std::string& name, v1::Change& change) {
  auto& regions = *change.mutable_regions();
  regions.erase(std::remove_if(regions.begin(), regions.end(),
                               [&name](const v1::Region& region) { return region.name() != name; }),
                regions.end());
  auto& removed = *change.mutable_removed_regions();
  removed.erase(std::remove_if(removed.begin(), removed.end(),
                               [&name](const std::string& other) { return other != name; }),
                removed.end());
}

}  // namespace

grpc::ServerWriteReactor<grpc::ByteBuffer>* WatchStream::Start(WatchFeed& feed, size_t max_watchers,
                                                               const grpc::ByteBuffer& request) {
  auto stream = std::shared_ptr<WatchStream>(new WatchStream(feed, max_watchers));
  stream->self_ = stream;
  v1::WatchRequest parsed;
  grpc::ByteBuffer bytes = request;
  grpc::Status status = grpc::GenericDeserialize<grpc::ProtoBufferReader, v1::WatchRequest>(&bytes, &parsed);
  if (!status.ok()) {
    status = Error(grpc::StatusCode::INVALID_ARGUMENT, Reason::kRequestMalformed,
                   "the request is no WatchRequest");
  } else {
    status = stream->Begin(parsed);
  }
  if (status.ok()) {
    stream->Advance();
  } else {
    stream->Finish(status);
  }
  return stream.get();
}

grpc::Status WatchStream::Begin(const v1::WatchRequest& request) {
  absl::StatusOr<Scope> scope = ParseRegionParent(request.parent());
  if (!scope.ok()) return InvalidName(scope.status());
  const absl::StatusOr<uint64_t> types = ParseEventTypes(request.types());
  if (!types.ok()) return Invalid(Reason::kEventTypeInvalid, types.status());
  const bool resumes = !request.resume_token().empty();
  const std::optional<ResumePoint> point = DecodeResumeToken(request.resume_token());
  if (resumes && (!point || request.changes_only())) {
    return Error(grpc::StatusCode::INVALID_ARGUMENT, Reason::kResumeTokenInvalid,
                 point ? "resume_token: does not go together with changes_only"
                       : "resume_token: expected one that a Watch returned");
  }
  uint64_t revision = 0;
  uint64_t epoch = 0;
  if (!feed_.Join(shared_from_this(), scope->backend_id.value_or(""), max_watchers_)) {
    return feed_.stopped() ? ShuttingDown() : TooManyWatchers(max_watchers_);
  }
  feed_.reader()([&](const feed::ReplicaView& view) {
    revision = view.revision;
    epoch = view.events.epoch();
  });
  if (resumes && (point->source != 0 || point->epoch != epoch || !feed_.Cover(point->sequence)))
    return Expired();
  base::MutexLock lock(mutex_);
  filter_.scope = *std::move(scope);
  filter_.types = *types;
  changes_only_ = request.changes_only();
  epoch_ = epoch;
  cursor_ = resumes ? point->sequence : revision;
  if (resumes) phase_ = Phase::kLive;
  if (changes_only_) phase_ = Phase::kSynced;
  last_write_ns_ = base::MonotonicNanos();
  started_ = true;
  return grpc::Status::OK;
}

void WatchStream::End() {
  {
    base::MutexLock lock(mutex_);
    ending_ = true;
  }
  Advance();
}

void WatchStream::Wake() { Advance(); }

void WatchStream::OnWriteDone(bool ok) {
  {
    base::MutexLock lock(mutex_);
    writing_ = false;
    if (!ok) cancelled_ = true;
  }
  Advance();
}

void WatchStream::OnCancel() {
  {
    base::MutexLock lock(mutex_);
    cancelled_ = true;
  }
  Advance();
}

void WatchStream::OnDone() {
  feed_.Leave(shared_from_this());
  const std::shared_ptr<WatchStream> last = std::move(self_);
}

void WatchStream::Advance() {
  Step step = Step::kNone;
  {
    base::MutexLock lock(mutex_);
    step = TakeStep();
  }
  if (step == Step::kWrite) StartWrite(&out_);
  if (step == Step::kFinish) Finish(status_);
}

WatchStream::Step WatchStream::TakeStep() {
  if (!started_ || writing_ || finished_) return Step::kNone;
  if (cancelled_ || (ending_ && told_end_)) {
    finished_ = true;
    status_ = cancelled_ ? CancelledByClient() : ShuttingDown();
    return Step::kFinish;
  }
  if (ending_) {
    told_end_ = true;
    v1::WatchResponse bookmark;
    bookmark.mutable_bookmark();
    Put(std::move(bookmark), phase_ == Phase::kLive);
  } else if (!MakeNext()) {
    return Step::kNone;
  }
  writing_ = true;
  last_write_ns_ = base::MonotonicNanos();
  return Step::kWrite;
}

bool WatchStream::MakeNext() {
  v1::WatchResponse response;
  switch (phase_) {
    case Phase::kBegin:
      place_.reset();
      slice_.reset();
      ReadSlice();
      cursor_ = slice_->revision;
      phase_ = changes_only_ ? Phase::kSynced : Phase::kItems;
      response.mutable_snapshot_begin()->set_reason(reason_);
      Put(std::move(response), false);
      return true;
    case Phase::kItems:
      return MakeItems();
    case Phase::kSynced:
      phase_ = Phase::kLive;
      response.mutable_synced();
      Put(std::move(response), true);
      return true;
    case Phase::kLive:
      return MakeLive();
  }
  return false;
}

// The next slice, after whatever changed meanwhile in what was sent before it. What comes later in the order
// is in a later slice as it is then.
bool WatchStream::MakeItems() {
  if (!slice_) ReadSlice();
  feed_.CatchUp(slice_->revision);
  grpc::Slice change;
  std::string backend_id;
  while (cursor_ < slice_->revision) {
    const WatchFeed::Next next = feed_.Find(filter_, slice_->revision, cursor_, change, backend_id);
    if (next == WatchFeed::Next::kNone) break;
    if (next != WatchFeed::Next::kChange) {
      Restart(next);
      return MakeNext();
    }
    if (!place_ || backend_id > place_->backend_id) continue;
    PutChange(change, false);
    return true;
  }
  cursor_ = slice_->revision;
  v1::WatchResponse response;
  *response.mutable_snapshot() = ToProto(*slice_);
  if (slice_->last) place_ = slice_->last;
  if (!slice_->more) phase_ = Phase::kSynced;
  const bool empty = slice_->size() == 0;
  slice_.reset();
  if (empty) return MakeNext();
  Put(std::move(response), false);
  return true;
}

bool WatchStream::MakeLive() {
  grpc::Slice change;
  std::string backend_id;
  constexpr uint64_t kNoEnd = std::numeric_limits<uint64_t>::max();
  const WatchFeed::Next next = feed_.Find(filter_, kNoEnd, cursor_, change, backend_id);
  if (next == WatchFeed::Next::kChange) {
    PutChange(change, true);
    return true;
  }
  if (next != WatchFeed::Next::kNone) {
    Restart(next);
    return MakeNext();
  }
  if (base::MonotonicNanos() - last_write_ns_ < feed_.limits().bookmark_after.count() * kNanosPerMilli)
    return false;
  v1::WatchResponse bookmark;
  bookmark.mutable_bookmark();
  Put(std::move(bookmark), true);
  return true;
}

void WatchStream::Restart(WatchFeed::Next why) {
  reason_ = why == WatchFeed::Next::kBroken ? v1::SnapshotBegin::EVENTS_LOST : v1::SnapshotBegin::SLOW_READER;
  phase_ = Phase::kBegin;
}

void WatchStream::ReadSlice() {
  feed_.reader()([this](const feed::ReplicaView& view) ABSL_NO_THREAD_SAFETY_ANALYSIS {
    slice_ = CopySnapshot(view, filter_.scope, place_, changes_only_ ? 0 : kSliceItems);
  });
}

void WatchStream::Put(v1::WatchResponse response, bool with_token) {
  response.set_revision(convert::Saturated(cursor_));
  response.set_resume_token(with_token ? EncodeResumeToken({0, epoch_, cursor_}) : std::string());
  const grpc::Slice slice(response.SerializeAsString());
  out_ = grpc::ByteBuffer(&slice, 1);
}

void WatchStream::PutChange(const grpc::Slice& change, bool with_token) {
  if (with_token && !filter_.scope.shmid) {
    out_ = grpc::ByteBuffer(&change, 1);
    return;
  }
  v1::WatchResponse response;
  response.ParseFromArray(change.begin(), static_cast<int>(change.size()));
  if (filter_.scope.shmid) {
    const std::string& backend = response.change().event().backend();
    KeepRegion(backend + "/regions/" + std::to_string(*filter_.scope.shmid), *response.mutable_change());
  }
  Put(std::move(response), with_token);
}

}  // namespace shmemd::api
