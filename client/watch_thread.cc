#include "client/watch_thread.h"

#include <absl/status/status.h>
#include <absl/strings/str_cat.h>

#include <utility>

#include "shmemd/error.h"

namespace shmemd::client {

WatchThread::WatchThread(std::shared_ptr<const Connection> connection, const WatchOptions& options,
                         WatchSink* sink)
    : connection_(std::move(connection)),
      silence_limit_(options.silence_limit),
      sink_(sink),
      channel_(connection_->NewChannel()),
      progress_(options),
      backoff_(options.min_backoff, options.max_backoff),
      token_(options.resume_token),
      thread_([this] { Run(); }) {}

WatchThread::~WatchThread() {
  Stop();
  thread_.join();
}

void WatchThread::Stop() {
  std::unique_lock lock(mutex_);
  stopping_ = true;
  if (call_ != nullptr) call_->Cancel();
  changed_.notify_all();
  if (self_.load() != std::this_thread::get_id()) changed_.wait(lock, [this] { return done_; });
}

std::string WatchThread::token() const {
  const std::lock_guard lock(mutex_);
  return token_;
}

void WatchThread::Run() {
  self_ = std::this_thread::get_id();
  while (GoOn(Follow())) {
  }
  const std::lock_guard lock(mutex_);
  done_ = true;
  changed_.notify_all();
}

absl::Status WatchThread::Follow() {
  WatchCall call(channel_, progress_.NextRequest());
  if (!Begin(&call)) return absl::CancelledError("stopped");
  v1::WatchResponse response;
  WatchCall::Next next = WatchCall::Next::kMessage;
  while ((next = call.Read(&response, silence_limit_)) == WatchCall::Next::kMessage && Took(response)) {
  }
  const absl::Status status = FromRpc(call.Finish());
  {
    const std::lock_guard lock(mutex_);
    call_ = nullptr;
  }
  if (next == WatchCall::Next::kSilence) {
    // The connection may be dead without knowing it.
    channel_ = connection_->NewChannel();
    return Silence();
  }
  // A server that ends a stream without an error has no reason to.
  return status.ok() ? absl::UnavailableError("the stream ended") : status;
}

bool WatchThread::Begin(WatchCall* call) {
  const std::lock_guard lock(mutex_);
  if (!stopping_) call_ = call;
  return !stopping_;
}

bool WatchThread::Took(const v1::WatchResponse& response) {
  {
    const std::lock_guard lock(mutex_);
    if (stopping_) return false;
  }
  progress_.Take(response, *sink_);
  backoff_.Reset();
  const std::lock_guard lock(mutex_);
  token_ = progress_.token();
  return !stopping_;
}

bool WatchThread::GoOn(const absl::Status& status) {
  {
    const std::lock_guard lock(mutex_);
    if (stopping_) return false;
  }
  if (progress_.Ended(status)) {
    const std::lock_guard lock(mutex_);
    token_ = progress_.token();
    return true;
  }
  const std::chrono::milliseconds wait = backoff_.Next(RetryDelay(status));
  if (!sink_->OnBroken(status, wait)) return false;
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, wait, [this] { return stopping_; });
  return !stopping_;
}

absl::Status WatchThread::Silence() const {
  return absl::DeadlineExceededError(absl::StrCat("shmemd at ", connection_->endpoint().text(),
                                                  " said nothing for ", silence_limit_.count(), " ms"));
}

}  // namespace shmemd::client
