#include "server/session/negotiation.h"

#include "server/session/feature_findings.h"
#include "server/vhost/codec.h"

namespace shmemd::session {
namespace {

using state::BackendState;
using state::Cause;
using state::StateReason;
using vhost::FrontendRequest;
using vhost::ProtocolFeature;

bool ReadU64(std::span<const uint8_t> payload, uint64_t& value) {
  const absl::StatusOr<uint64_t> read = vhost::DecodeU64("features", payload);
  if (read.ok()) value = *read;
  return read.ok();
}

}  // namespace

bool Negotiation::FeaturesAnswered(std::span<const uint8_t> payload, const EventWriter& events) {
  state::Features now = features_;
  if (!ReadU64(payload, now.virtio)) return false;
  now.known = true;
  if (now == features_) return true;  // QEMU asks again as a barrier
  features_ = now;
  events.Publish(state::FeaturesSeen{features_});
  return true;
}

bool Negotiation::ProtocolFeaturesAnswered(std::span<const uint8_t> payload, const EventWriter& events) {
  uint64_t offered = 0;
  if (!ReadU64(payload, offered)) return false;
  if (offered_seen_ && offered == features_.offered_protocol) return true;
  offered_seen_ = true;
  features_.offered_protocol = offered;
  features_.shmem_bit = ShmemBitOf(offered);
  features_.known = true;
  events.Publish(state::FeaturesSeen{features_});
  for (const state::FindingRaised& finding : FeatureFindings(features_)) events.Publish(finding);
  return true;
}

bool Negotiation::FeaturesSet(std::span<const uint8_t> payload, const EventWriter& events) {
  uint64_t acked = 0;
  if (!ReadU64(payload, acked)) return false;
  features_set_ = true;
  protocol_features_kept_ = (acked & vhost::kVirtioProtocolFeatures) != 0;
  // With the bit, SET_PROTOCOL_FEATURES may still come.
  if (!protocol_set_ && !protocol_features_kept_) BecomeUnsupported(WithoutProtocolFeatures(), events);
  return true;
}

void Negotiation::DeviceStarted(const EventWriter& events) {
  if (!protocol_set_ && phase_ == Phase::kNegotiating) BecomeUnsupported(WithoutProtocolFeatures(), events);
  if (phase_ == Phase::kNegotiating) BecomeActive(events);
}

state::Cause Negotiation::WithoutProtocolFeatures() const {
  Cause cause{.reason = StateReason::kNoProtocolFeatures};
  // It is the VMM that leaves them out.
  if ((features_.virtio & vhost::kVirtioProtocolFeatures) != 0)
    cause.message_id = Id(FrontendRequest::kSetProtocolFeatures);
  return cause;
}

bool Negotiation::ProtocolFeaturesSet(std::span<const uint8_t> payload, const EventWriter& events) {
  uint64_t acked = 0;
  if (!ReadU64(payload, acked)) return false;
  protocol_set_ = true;
  features_.acked_protocol = acked;
  features_.known = true;
  events.Publish(state::FeaturesSeen{features_});
  if (Has(acked, ProtocolFeature::kShmem)) {
    if (phase_ != Phase::kUnsupported) return true;
    phase_ = Phase::kNegotiating;
    events.Publish(state::StateChanged{BackendState::kNegotiating, {}});
    return true;
  }
  Cause cause{.reason = StateReason::kShmemNotOffered};
  if (Has(features_.offered_protocol, ProtocolFeature::kShmem)) {
    cause.message_id = Id(FrontendRequest::kSetProtocolFeatures);  // it is the VMM that left it out
  } else if (features_.shmem_bit >= 0) {
    cause = {.reason = StateReason::kShmemOlderBit, .got = static_cast<uint64_t>(features_.shmem_bit)};
  }
  BecomeUnsupported(cause, events);
  return true;
}

bool Negotiation::shmem_agreed() const {
  return acked(ProtocolFeature::kShmem) && Has(features_.offered_protocol, ProtocolFeature::kShmem);
}

void Negotiation::BecomeActive(const EventWriter& events) {
  if (phase_ == Phase::kActive) return;
  phase_ = Phase::kActive;
  events.Publish(state::StateChanged{BackendState::kActive, {}});
}

void Negotiation::BecomeUnsupported(const Cause& cause, const EventWriter& events) {
  if (phase_ == Phase::kActive || (phase_ == Phase::kUnsupported && cause == unsupported_)) return;
  phase_ = Phase::kUnsupported;
  unsupported_ = cause;
  events.Publish(state::StateChanged{BackendState::kUnsupported, cause});
}

}  // namespace shmemd::session
