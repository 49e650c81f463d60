// Accepts connections on sockets of ours and hands them to a gRPC server, in a thread of its own.
//
// gRPC would accept by itself, but then nobody could set the mode of a Unix socket before it listens, take
// over a stale path, or say in one line why a port could not be opened.
#pragma once

#include <grpcpp/server_builder.h>

#include <memory>
#include <thread>
#include <vector>

#include "server/base/unique_fd.h"

namespace shmemd::api {

class AcceptLoop {
 public:
  // `listeners`: non-blocking listening sockets, borrowed until Stop.
  AcceptLoop(std::unique_ptr<grpc::experimental::ExternalConnectionAcceptor> acceptor,
             std::vector<int> listeners);
  ~AcceptLoop();  // stops
  AcceptLoop(const AcceptLoop&) = delete;
  AcceptLoop& operator=(const AcceptLoop&) = delete;

  // After the gRPC server has started.
  void Start();
  // Returns when no more connections will be accepted. Those that are there are the server's to end.
  void Stop();

 private:
  void Run();
  // False when the system has no room for another connection at this moment.
  bool AcceptOne(int listener);

  std::unique_ptr<grpc::experimental::ExternalConnectionAcceptor> acceptor_;
  std::vector<int> listeners_;
  base::UniqueFd stop_;  // an eventfd
  std::thread thread_;
};

}  // namespace shmemd::api
