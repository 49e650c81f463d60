// What the two peers agree on, and what that says about the state of the back-end: NEGOTIATING, UNSUPPORTED
// or ACTIVE. Plain value, used on the tracker's thread.
#pragma once

#include <cstdint>
#include <span>

#include "server/session/tracker_options.h"
#include "server/state/status.h"
#include "server/vhost/protocol.h"

namespace shmemd::session {

class Negotiation {
 public:
  // Answers of the back-end. False: the payload cannot be read.
  bool FeaturesAnswered(std::span<const uint8_t> payload, const EventWriter& events);
  bool ProtocolFeaturesAnswered(std::span<const uint8_t> payload, const EventWriter& events);
  // Messages of the front-end.
  bool FeaturesSet(std::span<const uint8_t> payload, const EventWriter& events);
  bool ProtocolFeaturesSet(std::span<const uint8_t> payload, const EventWriter& events);

  // ACTIVE, unless it is known to have no shared memory.
  void DeviceStarted(const EventWriter& events);
  // Something shows that shared memory is in use, or may be: ACTIVE, once.
  void BecomeActive(const EventWriter& events);

  bool acked(vhost::ProtocolFeature feature) const { return Has(features_.acked_protocol, feature); }
  bool shmem_agreed() const;
  // SET_FEATURES came without VHOST_USER_F_PROTOCOL_FEATURES: rings are enabled from their start
  // (vhost-user specification, "Ring states").
  bool rings_start_enabled() const { return features_set_ && !protocol_features_kept_; }

 private:
  enum class Phase : uint8_t { kNegotiating, kActive, kUnsupported };
  state::Cause WithoutProtocolFeatures() const;
  void BecomeUnsupported(const state::Cause& cause, const EventWriter& events);

  state::Features features_;
  bool offered_seen_ = false;
  bool protocol_set_ = false;
  bool features_set_ = false;
  bool protocol_features_kept_ = false;
  Phase phase_ = Phase::kNegotiating;
  state::Cause unsupported_;
};

}  // namespace shmemd::session
