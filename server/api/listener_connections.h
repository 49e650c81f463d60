// The connections that a listener has let in, though gRPC owns them and does not say when one ends: each is
// remembered as descriptor number and socket cookie, and forgotten when that number is another file.
//
// Used by the thread that accepts.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace shmemd::api {

class ListenerConnections {
 public:
  explicit ListenerConnections(size_t limit) : limit_(limit) {}

  size_t limit() const { return limit_; }
  // How many of them one peer may have: three quarters, so that nobody keeps all others out.
  size_t peer_limit() const { return limit_ - limit_ / 4; }

  enum class Answer { kAdmitted, kFull, kPeerFull };
  // Counts `socket` in for `peer`, who is a user or an address; empty: nobody knows, and all have the limit
  // together. Looks which have ended only when there is no room, and at most every 10 ms: about 0.4 µs a
  // connection.
  Answer Admit(int socket, const std::string& peer, int64_t now_ns);

  // Ends those whose peers keep on sending faster than they are read: whose receive queues hold 16 KiB or
  // more each time in 40 ms. Takes that long; how many there were.
  size_t EndFloods();

 private:
  struct Connection {
    int fd = -1;
    uint64_t cookie = 0;
    std::string peer;
  };

  Answer Judge(const std::string& peer) const;
  void ForgetEnded();

  const size_t limit_;
  int64_t swept_ns_ = 0;
  std::vector<Connection> connections_;
};

}  // namespace shmemd::api
