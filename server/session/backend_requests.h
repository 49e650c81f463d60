// The back-end channel of a relayed session: maps and unmaps, paired with the answers of the VMM. Plain
// value, used on the tracker's thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "server/base/fd_facts.h"
#include "server/session/memory_echo.h"
#include "server/session/pending_requests.h"
#include "server/session/tracker_options.h"
#include "server/vhost/framer.h"

namespace shmemd::session {

// What became of a request of the back-end.
enum class Handed : uint8_t { kOn, kRefusedByGuard, kDroppedByGuard };

class BackendRequests {
 public:
  struct Context {
    const EventWriter& events;
    MemoryEcho& echo;
    bool reply_ack = false;
    bool may_map = false;  // the device is started
    int64_t now_ns = 0;
  };
  struct Outcome {
    bool decoded = true;
    bool map_seen = false;    // a map or unmap went on to the VMM
    state::Observation lost;  // kNone: still followed
  };

  Outcome Requested(const vhost::MessageView& message, size_t fd_count, std::span<const base::FdFacts> fds,
                    Handed handed, const Context& context);
  Outcome Answered(const vhost::MessageView& message, const Context& context);

  // What is pending is never answered, or nobody can tell its answer.
  void Abandon(int32_t error_number, const EventWriter& events);

  // An answer is awaited that comes before those to later requests.
  bool waits_for_answer() const { return pending_.waits_for_answer(); }
  // The oldest map or unmap without an answer; nullptr: none.
  const PendingMap* oldest_map() const;
  const PendingRequests<PendingMap>& pending() const { return pending_; }

 private:
  Outcome Remember(const PendingMap& request, const Context& context);
  void PassOver(const PendingMap& request, const Context& context);
  void Settle(const PendingMap& request, uint64_t answer, const Context& context);
  void ActForGuard(const vhost::MessageView& message, const RelayedMap& map, Handed handed,
                   const Context& context);
  void NoteStopped(const vhost::MessageView& message, const RelayedMap& map, const Context& context);

  PendingRequests<PendingMap> pending_;
  bool answers_without_need_reply_ = false;  // the VMM answers maps that did not ask for it: alioth
  bool answers_without_reply_ack_ = false;   // and those that asked without REPLY_ACK: QEMU
};

}  // namespace shmemd::session
