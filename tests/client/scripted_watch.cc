#include "tests/client/scripted_watch.h"

#include <google/rpc/error_details.pb.h>
#include <google/rpc/status.pb.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server_builder.h>
#include <gtest/gtest.h>

#include <chrono>
#include <thread>
#include <utility>

namespace shmemd::client {
namespace {

v1::WatchResponse At(v1::WatchResponse response, int64_t revision) {
  response.set_revision(revision);
  response.set_resume_token("t" + std::to_string(revision));
  return response;
}

}  // namespace

v1::WatchResponse Begin(v1::SnapshotBegin::Reason reason) {
  v1::WatchResponse response;
  response.mutable_snapshot_begin()->set_reason(reason);
  return response;
}

v1::WatchResponse Item(const std::string& backend) {
  v1::WatchResponse response;
  response.mutable_snapshot()->add_backends()->set_name("backends/" + backend);
  return response;
}

v1::WatchResponse SyncedAt(int64_t revision) {
  v1::WatchResponse response;
  response.mutable_synced();
  return At(response, revision);
}

v1::WatchResponse ChangeAt(int64_t revision) {
  v1::WatchResponse response;
  response.mutable_change()->mutable_event()->set_revision(revision);
  return At(response, revision);
}

v1::WatchResponse BookmarkAt(int64_t revision) {
  v1::WatchResponse response;
  response.mutable_bookmark();
  return At(response, revision);
}

grpc::Status Exhausted(int64_t retry_ms) {
  google::rpc::RetryInfo retry;
  retry.mutable_retry_delay()->set_seconds(retry_ms / 1000);
  retry.mutable_retry_delay()->set_nanos(static_cast<int32_t>(retry_ms % 1000 * 1'000'000));
  google::rpc::Status details;
  details.set_code(grpc::StatusCode::RESOURCE_EXHAUSTED);
  details.add_details()->PackFrom(retry);
  return {grpc::StatusCode::RESOURCE_EXHAUSTED, "too many", details.SerializeAsString()};
}

class ScriptedWatch::Service final : public v1::ShmemInspector::Service {
 public:
  explicit Service(std::vector<WatchScript> scripts) : scripts_(std::move(scripts)) {}

  grpc::Status Watch(grpc::ServerContext* context, const v1::WatchRequest* request,
                     grpc::ServerWriter<v1::WatchResponse>* writer) override {
    const WatchScript script = Next(*request);
    for (const v1::WatchResponse& message : script.messages) writer->Write(message);
    while (script.silent && !context->IsCancelled())
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    const std::lock_guard lock(mutex_);
    --running_;
    return script.end;
  }

  std::vector<std::string> asked() const {
    const std::lock_guard lock(mutex_);
    return asked_;
  }
  int running() const {
    const std::lock_guard lock(mutex_);
    return running_;
  }

 private:
  WatchScript Next(const v1::WatchRequest& request) {
    const std::lock_guard lock(mutex_);
    ++running_;
    const size_t number = std::min(asked_.size(), scripts_.size() - 1);
    EXPECT_FALSE(request.changes_only() && !request.resume_token().empty());
    asked_.push_back(request.changes_only()           ? "changes"
                     : request.resume_token().empty() ? "-"
                                                      : request.resume_token());
    return scripts_[number];
  }

  const std::vector<WatchScript> scripts_;
  mutable std::mutex mutex_;
  std::vector<std::string> asked_;
  int running_ = 0;
};

ScriptedWatch::ScriptedWatch(std::vector<WatchScript> scripts)
    : service_(std::make_unique<Service>(std::move(scripts))) {
  grpc::ServerBuilder builder;
  builder.AddListeningPort(endpoint(), grpc::InsecureServerCredentials());
  builder.RegisterService(service_.get());
  server_ = builder.BuildAndStart();
  EXPECT_NE(server_, nullptr);
}

ScriptedWatch::~ScriptedWatch() { server_->Shutdown(std::chrono::system_clock::now()); }

std::vector<std::string> ScriptedWatch::asked() const { return service_->asked(); }

int ScriptedWatch::running() const { return service_->running(); }

}  // namespace shmemd::client
