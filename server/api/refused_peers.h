// Connections of peers that are not let in and are told so: each call of theirs is answered with the reason,
// for a short time.
//
// Used by the thread that accepts, in its poll loop. Few at a time; the peers cost no thread and nothing of
// gRPC.
#pragma once

#include <grpcpp/support/status.h>
#include <poll.h>

#include <cstddef>
#include <cstdint>
#include <list>
#include <vector>

#include "server/api/refusal_talk.h"
#include "server/base/unique_fd.h"

namespace shmemd::api {

class RefusedPeers {
 public:
  // Tells the peer `why` if there is room for that, else closes the connection.
  void Take(base::UniqueFd connection, const grpc::Status& why, int64_t now_ns);

  // What to wait for, in addition.
  void AppendWaits(std::vector<pollfd>& waits) const;
  // Milliseconds until one has had its time; -1: there is none.
  int TimeoutMs(int64_t now_ns) const;
  // After the wait: goes on with those that can go on, closes those that have ended or had their time.
  void Advance(int64_t now_ns);

 private:
  struct Peer {
    base::UniqueFd connection;
    RefusalTalk talk;
    int64_t deadline_ns = 0;
  };

  static bool Exchange(Peer& peer);

  std::list<Peer> peers_;
};

}  // namespace shmemd::api
