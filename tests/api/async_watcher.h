// A client of Watch on gRPC's threads: keeps a copy, and how old each change was when it came. Many fit into
// one process.
#pragma once

#include <grpcpp/support/client_callback.h>

#include <atomic>
#include <chrono>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "server/base/mutex.h"
#include "tests/api/watch_copy.h"

namespace shmemd::api {

class AsyncWatcher final : public grpc::ClientReadReactor<v1::WatchResponse> {
 public:
  // Reads, unless it begins paused.
  AsyncWatcher(v1::ShmemInspector::Stub& stub, const std::string& backend, bool paused) : paused_(paused) {
    request_.set_parent("backends/" + backend);
    context_.set_deadline(std::chrono::system_clock::now() + std::chrono::minutes(30));
    stub.async()->Watch(&context_, &request_, this);
    if (paused) {
      waits_ = true;
      AddHold();
    } else {
      StartRead(&response_);
    }
    StartCall();
  }
  ~AsyncWatcher() override {
    context_.TryCancel();
    Resume();
    while (!done_) std::this_thread::yield();
  }
  AsyncWatcher(const AsyncWatcher&) = delete;
  AsyncWatcher& operator=(const AsyncWatcher&) = delete;

  // Reads no more after the answer that is under way, as a client that hangs.
  void Pause() {
    base::MutexLock lock(mutex_);
    paused_ = true;
  }
  void Resume() {
    {
      base::MutexLock lock(mutex_);
      paused_ = false;
      if (!std::exchange(waits_, false)) return;
    }
    StartRead(&response_);
    RemoveHold();
  }

  void OnReadDone(bool ok) override {
    if (!ok) return;
    {
      base::MutexLock lock(mutex_);
      Take();
      if (paused_) {
        waits_ = true;
        AddHold();
        return;
      }
    }
    StartRead(&response_);
  }
  void OnDone(const grpc::Status&) override { done_ = true; }

  bool synced() {
    base::MutexLock lock(mutex_);
    return synced_;
  }
  // Of the copy; empty while it is not whole.
  std::string Text() {
    base::MutexLock lock(mutex_);
    return synced_ ? copy_.Text() : "";
  }
  // Since the last call.
  std::vector<double> TakeDelaysMs() {
    base::MutexLock lock(mutex_);
    return std::exchange(delays_ms_, {});
  }
  int snapshots() {
    base::MutexLock lock(mutex_);
    return snapshots_;
  }

 private:
  void Take() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (response_.has_change()) {
      const google::protobuf::Timestamp& then = response_.change().event().event_time();
      delays_ms_.push_back(
          static_cast<double>(base::WallNanos() - then.seconds() * 1'000'000'000 - then.nanos()) / 1e6);
    }
    snapshots_ += response_.has_snapshot_begin() ? 1 : 0;
    synced_ = response_.has_synced() || (synced_ && !response_.has_snapshot_begin());
    copy_.Take(response_);
  }

  grpc::ClientContext context_;
  v1::WatchRequest request_;
  v1::WatchResponse response_;
  std::atomic<bool> done_{false};
  base::Mutex mutex_;
  bool paused_ ABSL_GUARDED_BY(mutex_);
  bool waits_ ABSL_GUARDED_BY(mutex_) = false;  // the next read is to be begun by Resume, which has a hold
  WatchCopy copy_ ABSL_GUARDED_BY(mutex_);
  std::vector<double> delays_ms_ ABSL_GUARDED_BY(mutex_);
  int snapshots_ ABSL_GUARDED_BY(mutex_) = 0;
  bool synced_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace shmemd::api
