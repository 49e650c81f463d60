#include "server/api/open_calls.h"

#include <grpc/grpc_security.h>

#include <algorithm>

#include "server/base/clock.h"

namespace shmemd::api {

// gRPC makes one authentication context a connection, in its handshake, and all calls refer to it.
OpenCalls::Connection OpenCalls::ConnectionOf(grpc::ServerContextBase& context) {
  grpc_auth_context* const shared = grpc_call_auth_context(context.c_call());
  grpc_auth_context_release(shared);  // the call holds it, too
  return shared;
}

void OpenCalls::SetOverloadListener(std::function<void()> on_overload) {
  base::MutexLock lock(mutex_);
  on_overload_ = std::move(on_overload);
}

bool OpenCalls::Enter(Connection connection, Kind kind) {
  constexpr int64_t kPauseNs = 50'000'000;
  base::MutexLock lock(mutex_);
  if (closed_) return false;
  ++by_connection_[connection];
  if (kind == Kind::kStream) ++streams_;
  if (++all_ <= limit_ || !on_overload_) return true;
  const int64_t now_ns = base::MonotonicNanos();
  if (now_ns < told_ns_ + kPauseNs) return true;
  told_ns_ = now_ns;
  on_overload_();
  return true;
}

void OpenCalls::Leave(Connection connection, Kind kind) {
  base::MutexLock lock(mutex_);
  --all_;
  if (kind == Kind::kStream) --streams_;
  if (closed_) fewer_.notify_all();
  const auto found = by_connection_.find(connection);
  if (--found->second == 0) by_connection_.erase(found);
}

OpenCalls::Counts OpenCalls::CountsOf(Connection connection) const {
  base::MutexLock lock(mutex_);
  const auto found = by_connection_.find(connection);
  return {all_, found == by_connection_.end() ? 0 : found->second};
}

void OpenCalls::Close() {
  base::MutexLock lock(mutex_);
  if (!closed_) closed_ = std::chrono::system_clock::now();
}

bool OpenCalls::closed() const {
  base::MutexLock lock(mutex_);
  return closed_.has_value();
}

void OpenCalls::WaitUntilEnded(std::chrono::system_clock::time_point deadline) {
  constexpr std::chrono::seconds kForStreams{1};
  base::MutexLock lock(mutex_);
  while (all_ > 0) {
    const auto until = all_ > streams_ ? deadline : std::min(deadline, *closed_ + kForStreams);
    if (std::chrono::system_clock::now() >= until) return;
    fewer_.wait_until(mutex_, until);
  }
}

}  // namespace shmemd::api
