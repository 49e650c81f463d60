// The thread of a Watcher: stream after stream, until it is stopped. Any thread may call Stop and token.
#pragma once

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "client/backoff.h"
#include "client/connection.h"
#include "client/watch_call.h"
#include "client/watch_progress.h"

namespace shmemd::client {

class WatchThread {
 public:
  WatchThread(std::shared_ptr<const Connection> connection, const WatchOptions& options, WatchSink* sink);
  ~WatchThread();
  WatchThread(const WatchThread&) = delete;
  WatchThread& operator=(const WatchThread&) = delete;

  void Stop();
  std::string token() const;

 private:
  void Run();
  // One stream, to its end.
  absl::Status Follow();
  // False: stopped.
  bool Begin(WatchCall* call);
  bool Took(const v1::WatchResponse& response);
  // What comes after a stream. False: nothing.
  bool GoOn(const absl::Status& status);
  absl::Status Silence() const;

  const std::shared_ptr<const Connection> connection_;
  const std::chrono::milliseconds silence_limit_;
  WatchSink* const sink_;

  // Of the thread alone.
  std::shared_ptr<grpc::Channel> channel_;
  WatchProgress progress_;
  Backoff backoff_;

  mutable std::mutex mutex_;  // of all below
  std::condition_variable changed_;
  WatchCall* call_ = nullptr;  // the stream that runs
  std::string token_;
  bool stopping_ = false;
  bool done_ = false;

  std::atomic<std::thread::id> self_;
  std::thread thread_;  // the last member: it uses the others
};

}  // namespace shmemd::client
