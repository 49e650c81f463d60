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

#include "server/api/api_limits.h"
#include "server/api/backend_roster.h"
#include "server/api/certificate_store.h"
#include "server/api/identity_list.h"
#include "server/api/inspector.h"
#include "server/api/log_sink.h"
#include "server/api/peer_list.h"
#include "server/api/replica_reader.h"
#include "server/api/role_server.h"
#include "server/api/tcp_listener.h"
#include "server/api/watch_feed.h"
#include "server/feed/call_stats.h"
#include "server/feed/control.h"
#include "server/feed/server_findings.h"
#include "server/net/unix_listener.h"

namespace shmemd::api {

// Where and as what a Unix socket of ours appears. Its directory is created, 0750, if it is missing.
struct SocketConfig {
  std::string path;  // empty: not served
  mode_t mode = 0660;
  std::optional<uid_t> owner;  // default: as created
  std::optional<gid_t> group;
  PeerList peers;  // who may connect
};

// TLS for the TCP listeners: every client shows a certificate that `client_ca` signed.
struct TlsConfig {
  TlsFiles files;
  std::chrono::milliseconds refresh{10'000};  // how often they are read again
};

struct ApiConfig {
  SocketConfig socket;                              // Inspector; Admin is refused
  SocketConfig admin_socket{{}, 0600, {}, {}, {}};  // Inspector and Admin
  // As `socket`, on a TCP address; empty: not served. Without TLS on a loopback address, unless listen_tls.
  std::string listen;
  bool listen_tls = false;
  IdentityList listen_identities = IdentityList::Anybody();
  // As `admin_socket`, on a TCP address, always with TLS; empty: not served.
  std::string admin_listen;
  IdentityList admin_listen_identities;  // must not be empty there
  std::optional<TlsConfig> tls;
  ApiLimits limits;
  ServerFacts facts;
  WatchLimits watch;
  LogSink log;
};

class ApiServer {
 public:
  // What Start would refuse of a configuration without opening a socket: InvalidArgument that names the
  // setting.
  static absl::Status Check(const ApiConfig& config);

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
  std::string admin_listen_address() const;
  // Whether listen_address() is served with TLS.
  bool listen_has_tls() const;

  // What is odd about the server itself.
  const feed::ServerFindings& findings() const { return findings_; }
  // When the certificates that are in use run out; empty: there are none. After Start.
  std::vector<CertificateStore::Expiry> certificate_expiries() const;
  // How the calls of all listeners ended.
  const feed::CallStats& call_stats() const { return call_stats_; }

  // To be called, with nothing locked that `reader` locks, after what is shown has changed. Any thread;
  // cheap.
  void ReplicaChanged() { watch_feed_.Notify(); }
  // How many streams of Watch there are.
  size_t watcher_count() const { return watch_feed_.watcher_count(); }

  // Health says NOT_SERVING and all streams end; then no more calls are taken, and those that still run after
  // `grace` are cancelled. Returns as soon as there are none; streams whose clients do not read hold it up
  // for a second. Then the socket paths are removed, if they are still ours.
  void Shutdown(std::chrono::milliseconds grace);

 private:
  absl::Status OpenListeners(std::vector<ListenSocket>& read, std::vector<ListenSocket>& admin);
  absl::Status OpenSocket(const std::string& name, const SocketConfig& socket,
                          std::vector<ListenSocket>& listeners);
  absl::Status OpenPort(const std::string& name, const std::string& address, bool tls,
                        std::optional<TcpListener>& port, std::vector<ListenSocket>& listeners);

  const ApiConfig config_;
  feed::ServerFindings findings_;
  Inspector inspector_;
  WatchFeed watch_feed_;
  feed::CallStats call_stats_;
  std::unique_ptr<CertificateStore> certificates_;
  std::vector<net::UnixListener> sockets_;
  std::optional<TcpListener> port_;
  std::optional<TcpListener> admin_port_;
  RoleServer read_server_;
  RoleServer admin_server_;
};

}  // namespace shmemd::api
