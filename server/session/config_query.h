// GET_SHMEM_CONFIG in a relayed session: what is learned when the VMM asks, and whether and when shmemd asks
// itself (query: inject). Plain value, used on the tracker's thread.
//
// Passive first: a back-end may offer SHMEM and still drop the connection when it is asked, and the VMMs of
// QEMU's vhost-user-base family ask right after the negotiation. So shmemd asks once, and only after the VMM
// has gone on without asking: it has told of memory, has enabled a ring, or half a second has passed since
// SET_PROTOCOL_FEATURES.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "server/session/config_reader.h"
#include "server/session/tracker_options.h"
#include "server/vhost/codec.h"
#include "server/vhost/framer.h"

namespace shmemd::session {

class ConfigQuery {
 public:
  static constexpr int64_t kPatienceNs = 500'000'000;
  static constexpr int64_t kNever = INT64_MAX;

  explicit ConfigQuery(const std::optional<vhost::ShmemConfigReply>& previous) : reply_(previous) {}

  // The front-end has set protocol features, with SHMEM.
  void ShmemAcknowledged(int64_t now_ns);
  void FrontendAsked();
  // The front-end has gone on with the start of the device.
  void FrontendWentOn() { due_ = true; }
  // A device without regions that are known has started, or was mapped into. CONFIG_NOT_SEEN, unless shmemd
  // is to ask itself.
  void Missed(bool will_ask, const EventWriter& events);

  // Whether it is time to ask; the state of the channel is for the tracker to judge.
  bool wanted(const TrackerOptions& options) const {
    return options.query == state::Query::kInject && (again_ || (due_ && !asked_ && !frontend_asked_));
  }
  // One more question, though it was answered before.
  void AskAgain() { again_ = true; }
  void Asked(int64_t now_ns);

  // Our question is on its way and no answer was swallowed: the next message 44 of the back-end is for us.
  bool outstanding() const { return outstanding_; }
  // All requests before ours are answered: from now on the back-end is to answer ours. GET_VRING_BASE before
  // it may take as long as it wants.
  void BecameOldest(int64_t now_ns);
  // The back-end answered a later request: it will not answer ours.
  void PassedOver(int64_t now_ns, const EventWriter& events);
  bool passed_over() const { return passed_over_; }

  // False: malformed.
  bool Answered(const vhost::MessageView& reply, size_t fd_count, bool ours, int64_t duration_ns,
                const EventWriter& events);
  int64_t NextDeadline(const TrackerOptions& options) const;
  void OnDeadline(int64_t now_ns, const EventWriter& events);
  // The back-end ended; `frontend_waits`: the front-end waits for an answer to message 44.
  void BackendEnded(bool frontend_waits, const EventWriter& events);

  bool frontend_asked() const { return frontend_asked_; }
  bool seen() const { return same_connection_; }
  const std::optional<vhost::ShmemConfigReply>& reply() const { return reply_; }
  int64_t asked_ns() const { return asked_ns_; }

 private:
  void Fail(int64_t duration_ns, const EventWriter& events);

  std::optional<vhost::ShmemConfigReply> reply_;  // the one seen last
  int64_t due_at_ns_ = 0;                         // 0: not
  int64_t asked_ns_ = 0;
  int64_t oldest_since_ns_ = 0;  // 0: not
  bool same_connection_ = false;
  bool frontend_asked_ = false;
  bool due_ = false;
  bool again_ = false;
  bool asked_ = false;
  bool outstanding_ = false;
  bool passed_over_ = false;
  bool failed_ = false;  // said of the question that is outstanding
  bool missed_ = false;
};

}  // namespace shmemd::session
