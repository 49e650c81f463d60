#include "client/watch_call.h"

namespace shmemd::client {

WatchCall::WatchCall(const std::shared_ptr<grpc::Channel>& channel, const v1::WatchRequest& request)
    : stub_(v1::ShmemInspector::NewStub(channel)),
      reader_(stub_->AsyncWatch(&context_, request, &queue_, nullptr)) {}

WatchCall::~WatchCall() {
  if (!finished_) Finish();
  queue_.Shutdown();
  void* tag = nullptr;
  bool ok = false;
  while (queue_.Next(&tag, &ok)) {
  }
}

WatchCall::Next WatchCall::Await(TimePoint deadline) {
  void* tag = nullptr;
  bool ok = false;
  if (queue_.AsyncNext(&tag, &ok, deadline) != grpc::CompletionQueue::GOT_EVENT) return Next::kSilence;
  pending_ = false;
  return ok ? Next::kMessage : Next::kEnd;
}

WatchCall::Next WatchCall::Read(v1::WatchResponse* response, std::chrono::milliseconds limit) {
  const TimePoint deadline = std::chrono::system_clock::now() + limit;
  Next next = started_ ? Next::kMessage : Await(deadline);
  if (next == Next::kMessage) {
    started_ = true;
    pending_ = true;
    reader_->Read(response, nullptr);
    next = Await(deadline);
  }
  ended_ = next == Next::kEnd;
  return next;
}

grpc::Status WatchCall::Finish() {
  const TimePoint kNever = TimePoint::max();
  // Else it would end when the server ends it. One that did end has a status to keep.
  if (!ended_) Cancel();
  if (pending_) Await(kNever);
  grpc::Status status;
  finished_ = true;
  reader_->Finish(&status, nullptr);
  Await(kNever);
  return status;
}

}  // namespace shmemd::client
