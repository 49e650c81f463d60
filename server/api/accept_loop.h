// Accepts connections on sockets of ours, judges who may come in and how many, and hands them to a gRPC
// server; in a thread of its own.
//
// gRPC would accept by itself, but then nobody could set the mode of a Unix socket before it listens, take
// over a stale path, ask the kernel who a peer is, or say in one line why a port could not be opened.
#pragma once

#include <grpcpp/server_builder.h>

#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "server/api/connection_count.h"
#include "server/api/limited_log.h"
#include "server/api/peer_list.h"
#include "server/api/refused_peers.h"
#include "server/base/unique_fd.h"

namespace shmemd::api {

// A socket that listens, and whom it is for.
struct ListenSocket {
  int fd = -1;       // non-blocking, borrowed
  std::string name;  // its setting: "api.socket"
  bool tls = false;
  PeerList peers;  // of a Unix socket
  size_t max_connections = 256;
};

class AcceptLoop {
 public:
  using Acceptor = std::shared_ptr<grpc::experimental::ExternalConnectionAcceptor>;

  // The sockets are borrowed until Stop, `log` until the end.
  explicit AcceptLoop(LimitedLog& log);
  ~AcceptLoop();  // stops
  AcceptLoop(const AcceptLoop&) = delete;
  AcceptLoop& operator=(const AcceptLoop&) = delete;

  // Before Start.
  void Add(ListenSocket socket, Acceptor acceptor);
  // After the gRPC server has started.
  void Start();
  // Returns when no more connections will be accepted. Those that are there are the server's to end.
  void Stop();

 private:
  struct Listener {
    ListenSocket socket;
    Acceptor acceptor;
    ConnectionCount count;
  };

  void Run();
  // False when the system has no room for another connection at this moment.
  bool AcceptOne(Listener& listener);
  // OK: it may come in.
  grpc::Status Judge(Listener& listener, int connection);

  LimitedLog& log_;
  std::vector<Listener> listeners_;
  RefusedPeers refused_;
  base::UniqueFd stop_;  // an eventfd
  std::thread thread_;
};

}  // namespace shmemd::api
