// Accepts connections on sockets of ours, judges who may come in and how many, and hands them to a gRPC
// server; in a thread of its own.
//
// gRPC would accept by itself, but then nobody could set the mode of a Unix socket before it listens, take
// over a stale path, ask the kernel who a peer is, or say in one line why a port could not be opened.
#pragma once

#include <grpcpp/server_builder.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "server/api/limited_log.h"
#include "server/api/listener_connections.h"
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
  size_t max_connections = 1024;
};

class AcceptLoop {
 public:
  using Acceptor = std::shared_ptr<grpc::experimental::ExternalConnectionAcceptor>;

  // The sockets are borrowed until Stop, `log` until the end. `first_byte`: how long a client may take to say
  // anything; until then gRPC does not see it.
  AcceptLoop(std::chrono::milliseconds first_byte, LimitedLog& log);
  ~AcceptLoop();  // stops
  AcceptLoop(const AcceptLoop&) = delete;
  AcceptLoop& operator=(const AcceptLoop&) = delete;

  // Before Start.
  void Add(ListenSocket socket, Acceptor acceptor);
  // After the gRPC server has started.
  void Start();
  // Returns when no more connections will be accepted. Those that are there are the server's to end.
  void Stop();
  // Ends connections that send faster than they are read, soon. Any thread.
  void EndFloods();

 private:
  struct Listener {
    ListenSocket socket;
    Acceptor acceptor;
    ListenerConnections connections;
  };
  // Connected, and silent so far.
  struct Silent {
    base::UniqueFd connection;
    size_t listener = 0;
    std::string peer;  // whom its place counts for; empty: nobody in particular
    int64_t deadline_ns = 0;
  };

  void Run();
  int TimeoutMs(int64_t now_ns) const;
  // False when the system has no room for more connections at this moment.
  bool AcceptSome(size_t listener);
  void Receive(size_t listener, base::UniqueFd connection);
  // Who it is, or why it may not come in.
  grpc::Status Identify(const Listener& listener, int connection, std::string& peer) const;
  void HandOverThoseThatSpeak();
  void HandOver(Silent client);
  void Refuse(const Listener& listener, base::UniqueFd connection, const grpc::Status& why);
  void EndFloodsNow();
  void TrimMemory(int64_t now_ns);

  const std::chrono::milliseconds first_byte_;
  LimitedLog& log_;
  std::vector<Listener> listeners_;
  RefusedPeers refused_;
  std::list<Silent> silent_;  // in the order they came
  int64_t trim_at_ns_ = 0;    // when a flood's memory is given back; 0: there was none
  base::UniqueFd stop_;       // an eventfd
  base::UniqueFd overload_;   // another
  std::thread thread_;
};

}  // namespace shmemd::api
