// The calls that are under way, in all and of each connection. gRPC keeps a connection to its limit only once
// the client has acknowledged it, which a hostile one never does.
//
// Owned by CallGate. Any thread.
#pragma once

#include <absl/container/flat_hash_map.h>
#include <grpcpp/server_context.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
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

  enum class Kind : uint8_t { kUnary, kStream };
  // False: closed, so that the call is not counted, and must not leave.
  bool Enter(Connection connection, Kind kind);
  void Leave(Connection connection, Kind kind);

  struct Counts {
    int64_t all = 0;
    int64_t of_connection = 0;
  };
  Counts CountsOf(Connection connection) const;

  // From here on no call enters.
  void Close();
  bool closed() const;
  // After Close: returns when all have left, at `deadline`, or a second after Close when only streams are
  // left.
  void WaitUntilEnded(std::chrono::system_clock::time_point deadline);

 private:
  const int64_t limit_;
  mutable base::Mutex mutex_;
  base::CondVar fewer_;
  int64_t all_ ABSL_GUARDED_BY(mutex_) = 0;
  int64_t streams_ ABSL_GUARDED_BY(mutex_) = 0;  // of all
  std::optional<std::chrono::system_clock::time_point> closed_ ABSL_GUARDED_BY(mutex_);
  absl::flat_hash_map<Connection, int64_t> by_connection_ ABSL_GUARDED_BY(mutex_);
  std::function<void()> on_overload_ ABSL_GUARDED_BY(mutex_);
  int64_t told_ns_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace shmemd::api
