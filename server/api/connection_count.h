// How many connections a listener has, though gRPC owns them and does not say when one ends: each is
// remembered as descriptor number and inode, and forgotten when that number is another file.
//
// Used by the thread that accepts.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace shmemd::api {

class ConnectionCount {
 public:
  explicit ConnectionCount(size_t limit) : limit_(limit) {}

  // Counts `socket` in. False: there are as many as there may be. Looks which have ended only when it is
  // full, and at most every 10 ms: about 0.4 µs a connection.
  bool Admit(int socket, int64_t now_ns);

 private:
  struct Connection {
    int fd = -1;
    uint64_t inode = 0;
  };

  void ForgetEnded();

  const size_t limit_;
  int64_t swept_ns_ = 0;
  std::vector<Connection> connections_;
};

}  // namespace shmemd::api
