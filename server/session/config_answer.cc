#include "server/session/config_answer.h"

#include "server/vhost/protocol.h"

namespace shmemd::session {
namespace {

using state::Cause;
using state::EvidenceKey;
using state::WireAspect;

Cause Malformed(WireAspect aspect, uint64_t expected, uint64_t got) {
  return {.reason = state::StateReason::kConfigReplyMalformed,
          .aspect = aspect,
          .message_id = Id(vhost::FrontendRequest::kGetShmemConfig),
          .expected = expected,
          .got = got};
}

// What was got, by the name of what it is.
EvidenceKey AspectKey(WireAspect aspect) {
  switch (aspect) {
    case WireAspect::kRequestId:
      return EvidenceKey::kMessageId;
    case WireAspect::kFlags:
      return EvidenceKey::kFlags;
    case WireAspect::kFdCount:
      return EvidenceKey::kFdCount;
    case WireAspect::kPayloadBytes:
      return EvidenceKey::kReplyPayloadBytes;
    default:
      return EvidenceKey::kGot;
  }
}

}  // namespace

ConfigAnswer ReadConfigAnswer(const vhost::MessageView& reply, size_t fd_count) {
  constexpr uint32_t kId = Id(vhost::FrontendRequest::kGetShmemConfig);
  if (reply.header.request != kId) return Malformed(WireAspect::kRequestId, kId, reply.header.request);
  if (reply.header.flags != vhost::kReplyFlags)
    return Malformed(WireAspect::kFlags, vhost::kReplyFlags, reply.header.flags);
  if (fd_count != 0) return Malformed(WireAspect::kFdCount, 0, fd_count);
  const absl::StatusOr<vhost::ShmemConfigReply> config = vhost::DecodeShmemConfigReply(reply.payload);
  if (config.ok()) return *config;
  return Malformed(WireAspect::kPayloadBytes, sizeof(vhost::ShmemConfigPayload), reply.payload.size());
}

state::FindingRaised MalformedConfigFinding(const Cause& cause) {
  return {state::FindingCode::kConfigReplyMalformed,
          state::kWholeBackend,
          {{{AspectKey(cause.aspect), cause.got}, {EvidenceKey::kExpected, cause.expected}}}};
}

}  // namespace shmemd::session
