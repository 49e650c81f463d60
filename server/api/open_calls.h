// The calls that are under way, in all and of each connection. gRPC keeps a connection to its limit only once
// the client has acknowledged it, which a hostile one never does.
//
// Owned by CallGate. Any thread.
#pragma once

#include <absl/container/flat_hash_map.h>
#include <grpcpp/server_context.h>

#include <cstdint>
#include <functional>
#include <utility>

#include "server/base/mutex.h"

namespace shmemd::api {

class OpenCalls {
 public:
  // What calls of one connection have in common, and no other connection while it lives.
  using Connection = const void*;
  static Connection ConnectionOf(grpc::ServerContextBase& context);

  // `on_overload` is told, at most every 50 ms, while there are more than `limit`; any thread, must not wait.
  explicit OpenCalls(int64_t limit) : limit_(limit) {}
  void SetOverloadListener(std::function<void()> on_overload);

  void Enter(Connection connection);
  void Leave(Connection connection);

  struct Counts {
    int64_t all = 0;
    int64_t of_connection = 0;
  };
  Counts CountsOf(Connection connection) const;

 private:
  const int64_t limit_;
  mutable base::Mutex mutex_;
  int64_t all_ ABSL_GUARDED_BY(mutex_) = 0;
  absl::flat_hash_map<Connection, int64_t> by_connection_ ABSL_GUARDED_BY(mutex_);
  std::function<void()> on_overload_ ABSL_GUARDED_BY(mutex_);
  int64_t told_ns_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace shmemd::api
