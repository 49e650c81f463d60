// The gRPC API as a whole: its listeners, and one server for each role.
//
// Owned by the composition root, which starts and ends it from one thread; answers on gRPC's threads.
#pragma once

#include <absl/status/status.h>
#include <sys/types.h>

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "server/api/backend_roster.h"
#include "server/api/inspector.h"
#include "server/api/loopback_listener.h"
#include "server/api/replica_reader.h"
#include "server/api/role_server.h"
#include "server/api/watch_feed.h"
#include "server/feed/call_stats.h"
#include "server/feed/control.h"
#include "server/net/unix_listener.h"

namespace shmemd::api {

// Where and as what a Unix socket of ours appears. Its directory is created, 0750, if it is missing.
struct SocketConfig {
  std::string path;  // empty: not served
  mode_t mode = 0660;
  std::optional<uid_t> owner;  // default: as created
  std::optional<gid_t> group;
};

struct ApiConfig {
  SocketConfig socket;                          // Inspector; Admin is refused
  SocketConfig admin_socket{{}, 0600, {}, {}};  // Inspector and Admin
  std::string listen;                           // as `socket`, on a loopback address; empty: not served
  ServerFacts facts;
  WatchLimits watch;
};

class ApiServer {
 public:
  // The controls outlive the server: of the mover in frontend mode and, where there is one, of the relay.
  // So does the roster; without one nothing can be attached or detached.
  ApiServer(ApiConfig config, const ReplicaReader& reader, feed::Control& frontend,
            feed::Control* relay = nullptr, BackendRoster* roster = nullptr);
  ~ApiServer();  // Shutdown at once
  ApiServer(const ApiServer&) = delete;
  ApiServer& operator=(const ApiServer&) = delete;

  // Opens all listeners, then serves. Nothing is served or left behind if one of them cannot be opened: the
  // error names it.
  absl::Status Start();
  // "127.0.0.1:18045" with the port that was picked; empty when there is no such listener. After Start.
  std::string listen_address() const;

  // How the calls of all listeners ended.
  const feed::CallStats& call_stats() const { return call_stats_; }

  // To be called, with nothing locked that `reader` locks, after what is shown has changed. Any thread;
  // cheap.
  void ReplicaChanged() { watch_feed_.Notify(); }
  // How many streams of Watch there are.
  size_t watcher_count() const { return watch_feed_.watcher_count(); }

  // Health says NOT_SERVING and its streams end; then no more calls are taken, and those that still run after
  // `grace` are cancelled. Then the socket paths are removed, if they are still ours.
  void Shutdown(std::chrono::milliseconds grace);

 private:
  absl::Status OpenSocket(const SocketConfig& socket, std::vector<int>& listeners);

  const ApiConfig config_;
  Inspector inspector_;
  WatchFeed watch_feed_;
  feed::CallStats call_stats_;
  std::vector<net::UnixListener> sockets_;
  std::optional<LoopbackListener> loopback_;
  RoleServer read_server_;
  RoleServer admin_server_;
};

}  // namespace shmemd::api
