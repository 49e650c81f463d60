#include "server/frontend/handshake.h"

#include "server/session/config_answer.h"
#include "server/session/feature_findings.h"

namespace shmemd::frontend {
namespace {

using state::Cause;
using state::StateReason;
using state::WireAspect;
using vhost::FrontendRequest;
using vhost::ProtocolFeature;

Cause Unexpected(StateReason reason, WireAspect aspect, FrontendRequest request, uint64_t expected,
                 uint64_t got) {
  return {.reason = reason, .aspect = aspect, .message_id = Id(request), .expected = expected, .got = got};
}

// What of a reply is wrong before its payload is looked at.
std::optional<Cause> CheckEnvelope(FrontendRequest request, const vhost::Header& header, size_t fd_count) {
  constexpr StateReason kReason = StateReason::kProtocolError;
  if (header.request != Id(request)) {
    return Unexpected(kReason, WireAspect::kRequestId, request, Id(request), header.request);
  }
  if (header.flags != vhost::kReplyFlags) {
    return Unexpected(kReason, WireAspect::kFlags, request, vhost::kReplyFlags, header.flags);
  }
  if (fd_count != 0) {
    return Unexpected(StateReason::kUnexpectedFds, WireAspect::kFdCount, request, 0, fd_count);
  }
  return std::nullopt;
}

template <typename Bytes>
std::vector<uint8_t> ToVector(const Bytes& bytes) {
  return {bytes.begin(), bytes.end()};
}

}  // namespace

uint64_t WantedProtocolFeatures() {
  return Mask(ProtocolFeature::kReplyAck) | Mask(ProtocolFeature::kMq) | Mask(ProtocolFeature::kBackendReq) |
         Mask(ProtocolFeature::kBackendSendFd) | Mask(ProtocolFeature::kConfig) |
         Mask(ProtocolFeature::kShmem);
}

bool Handshake::acked(ProtocolFeature feature) const {
  return Has(outcome_.features.acked_protocol, feature);
}

Handshake::Action Handshake::Advance() {
  if (outcome_.result != Result::kPending) return {};
  if (awaited_) return {.step = Step::kAwait, .message_id = Id(*awaited_), .bytes = {}};
  switch (phase_) {
    case Phase::kGetFeatures:
      return Request(FrontendRequest::kGetFeatures, true, Phase::kGetProtocolFeatures);
    case Phase::kGetProtocolFeatures:
      return Request(FrontendRequest::kGetProtocolFeatures, true, Phase::kSetProtocolFeatures);
    case Phase::kSetProtocolFeatures:
      return SetProtocolFeatures();
    case Phase::kSetBackendReqFd:
      if (acked(ProtocolFeature::kBackendReq)) return SetBackendReqFd();
      [[fallthrough]];
    case Phase::kSetOwner:
      return Request(FrontendRequest::kSetOwner, false, Phase::kGetShmemConfig);
    case Phase::kGetShmemConfig:
      return Request(FrontendRequest::kGetShmemConfig, true, Phase::kGetShmemConfig);
  }
  return {};
}

Handshake::Action Handshake::Request(FrontendRequest request, bool await, Phase next) {
  if (await) awaited_ = request;
  phase_ = next;
  return {.step = Step::kSend,
          .message_id = Id(request),
          .bytes = ToVector(vhost::EncodeHeader({Id(request), vhost::kRequestFlags, 0}))};
}

Handshake::Action Handshake::SetProtocolFeatures() {
  constexpr FrontendRequest kRequest = FrontendRequest::kSetProtocolFeatures;
  phase_ = Phase::kSetBackendReqFd;
  return {.step = Step::kSend,
          .message_id = Id(kRequest),
          .bytes = ToVector(
              vhost::EncodeMessage(Id(kRequest), vhost::kRequestFlags, outcome_.features.acked_protocol))};
}

Handshake::Action Handshake::SetBackendReqFd() {
  constexpr FrontendRequest kRequest = FrontendRequest::kSetBackendReqFd;
  const bool with_ack = acked(ProtocolFeature::kReplyAck);
  Action action = Request(kRequest, with_ack, Phase::kSetOwner);
  action.with_backend_channel = true;
  if (with_ack) {
    action.bytes = ToVector(vhost::EncodeHeader({Id(kRequest), vhost::kRequestWithAckFlags, 0}));
  }
  return action;
}

void Handshake::OnReply(const vhost::MessageView& reply, size_t fd_count) {
  if (!awaited_ || outcome_.result != Result::kPending) return;
  const FrontendRequest request = *awaited_;
  awaited_.reset();
  if (request == FrontendRequest::kGetShmemConfig) return OnConfig(reply, fd_count);

  if (std::optional<Cause> cause = CheckEnvelope(request, reply.header, fd_count)) return Fail(*cause);
  const absl::StatusOr<uint64_t> value = vhost::DecodeU64("reply", reply.payload);
  if (!value.ok()) {
    return Fail(Unexpected(StateReason::kProtocolError, WireAspect::kPayloadBytes, request, sizeof(uint64_t),
                           reply.payload.size()));
  }
  if (request == FrontendRequest::kGetFeatures) {
    OnFeatures(*value);
  } else if (request == FrontendRequest::kGetProtocolFeatures) {
    OnProtocolFeatures(*value);
  } else if (*value != vhost::kAckOk) {
    Fail(Unexpected(StateReason::kRequestRefused, WireAspect::kReplyValue, request, vhost::kAckOk, *value));
  }
}

void Handshake::OnFeatures(uint64_t features) {
  outcome_.features.virtio = features;
  outcome_.features.known = true;
  if ((features & vhost::kVirtioProtocolFeatures) == 0) Unsupported(StateReason::kNoProtocolFeatures);
}

void Handshake::OnProtocolFeatures(uint64_t features) {
  outcome_.features.offered_protocol = features;
  outcome_.features.shmem_bit = session::ShmemBitOf(features);
  if (Has(features, ProtocolFeature::kShmem)) {
    outcome_.features.acked_protocol = features & WantedProtocolFeatures();
    return;
  }
  if (outcome_.features.shmem_bit < 0) return Unsupported(StateReason::kShmemNotOffered);
  Unsupported(StateReason::kShmemOlderBit);
  outcome_.cause.got = static_cast<uint8_t>(outcome_.features.shmem_bit);  // not negative
}

void Handshake::OnConfig(const vhost::MessageView& reply, size_t fd_count) {
  const session::ConfigAnswer answer = session::ReadConfigAnswer(reply, fd_count);
  if (const Cause* cause = std::get_if<Cause>(&answer)) return Fail(*cause);
  outcome_.config = std::get<vhost::ShmemConfigReply>(answer);
  outcome_.result = Result::kReady;
}

void Handshake::Fail(const Cause& cause) {
  outcome_.result = Result::kFailed;
  outcome_.cause = cause;
}

void Handshake::Unsupported(StateReason reason) {
  outcome_.result = Result::kUnsupported;
  outcome_.cause.reason = reason;
}

}  // namespace shmemd::frontend
