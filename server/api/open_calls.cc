#include "server/api/open_calls.h"

#include <grpc/grpc_security.h>

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

void OpenCalls::Enter(Connection connection) {
  constexpr int64_t kPauseNs = 50'000'000;
  base::MutexLock lock(mutex_);
  ++by_connection_[connection];
  if (++all_ <= limit_ || !on_overload_) return;
  const int64_t now_ns = base::MonotonicNanos();
  if (now_ns < told_ns_ + kPauseNs) return;
  told_ns_ = now_ns;
  on_overload_();
}

void OpenCalls::Leave(Connection connection) {
  base::MutexLock lock(mutex_);
  --all_;
  const auto found = by_connection_.find(connection);
  if (--found->second == 0) by_connection_.erase(found);
}

OpenCalls::Counts OpenCalls::CountsOf(Connection connection) const {
  base::MutexLock lock(mutex_);
  const auto found = by_connection_.find(connection);
  return {all_, found == by_connection_.end() ? 0 : found->second};
}

}  // namespace shmemd::api
