// Which mover a command is for: the relay has the back-ends in mode relay, the frontend loop all others, and
// the probes.
//
// Thread-safe.
#pragma once

#include <cstdint>
#include <string>
#include <utility>

#include "server/api/replica_reader.h"
#include "server/feed/control.h"

namespace shmemd::api {

class CommandRouter {
 public:
  // The controls outlive the router. `relay` is nullptr where nothing is relayed.
  CommandRouter(ReplicaReader reader, feed::Control& frontend, feed::Control* relay)
      : reader_(std::move(reader)), frontend_(frontend), relay_(relay) {}

  // As feed::Control::Submit; `done` also runs at once when no mover is to be asked: a probe of a socket that
  // a relay uses is BACKEND_BUSY, since it might take the back-end from its VM.
  void Submit(feed::CommandBody body, int64_t deadline_ns, feed::Control::Completion done) const;

 private:
  bool IsRelayed(const std::string& backend_id) const;
  // Empty: no relay uses it.
  std::string RelayAt(const std::string& socket) const;

  ReplicaReader reader_;
  feed::Control& frontend_;
  feed::Control* relay_;
};

}  // namespace shmemd::api
