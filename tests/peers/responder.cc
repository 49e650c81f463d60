#include "tests/peers/responder.h"

#include <utility>

#include "tests/peers/config_reply.h"
#include "tests/peers/units.h"

namespace shmemd::peers {
namespace {

constexpr uint64_t kQueueCount = 2;
constexpr uint64_t kMaxMemSlots = 32;
constexpr uint32_t kHighestRequest = 44;
constexpr size_t kDeviceConfigHeaderBytes = 12;

Bytes VringBase(const Message& request) {
  Bytes payload;
  Put<uint32_t>(payload, Get<uint32_t>(request.payload, 0));
  Put<uint32_t>(payload, 0);
  return payload;
}

// The device configuration is all zeros; the answer repeats offset, size and flags.
Bytes DeviceConfig(const Message& request) {
  Bytes payload = request.payload;
  for (size_t i = kDeviceConfigHeaderBytes; i < payload.size(); ++i) payload[i] = 0;
  return payload;
}

}  // namespace

bool Responder::IsShmemAcknowledged() const {
  const auto& bit = script_->features.shmem_bit;
  return bit && (protocol_features_ & FeatureMask(*bit)) != 0;
}

bool Responder::HasOwnReply(const Message& message, Bytes& payload) const {
  uint64_t features = FeatureMask(kFeatureVersion1);
  if (script_->features.protocol_features) features |= FeatureMask(kFeatureProtocolFeatures);
  switch (message.request) {
    case kGetFeatures:
      payload = U64Payload(features);
      return true;
    case kGetProtocolFeatures:
      payload = U64Payload(OfferedProtocolFeatures(script_->features));
      return true;
    case kGetQueueNum:
      payload = U64Payload(kQueueCount);
      return true;
    case kGetMaxMemSlots:
      payload = U64Payload(kMaxMemSlots);
      return true;
    case kGetStatus:
      payload = U64Payload(status_);
      return true;
    case kGetVringBase:
      payload = VringBase(message);
      return true;
    case kGetConfig:
      payload = DeviceConfig(message);
      return true;
    default:
      return false;
  }
}

void Responder::Note(Message& message) {
  switch (message.request) {
    case kSetProtocolFeatures:
      protocol_features_ = Get<uint64_t>(message.payload, 0);
      transcript_->Add("SET_PROTOCOL_FEATURES " + Hex(protocol_features_));
      if ((protocol_features_ & ~OfferedProtocolFeatures(script_->features)) != 0) {
        transcript_->AddUnexpected("SET_PROTOCOL_FEATURES has bits that were not offered");
      }
      break;
    case kSetBackendReqFd:
      if (message.fds.size() == 1) {
        backend_channel_ = std::move(message.fds.front());
      } else {
        transcript_->AddUnexpected("SET_BACKEND_REQ_FD carried " + std::to_string(message.fds.size()) +
                                   " fds, expected 1");
      }
      break;
    case kSetOwner:
      if (++owner_count_ == 2) transcript_->AddUnexpected("a second SET_OWNER on one connection");
      break;
    case kSetStatus:
      status_ = Get<uint64_t>(message.payload, 0);
      break;
    default:
      break;
  }
}

Response Responder::Acknowledge(const Message& message, uint64_t value) const {
  Response response;
  if ((message.flags & kNeedReplyFlag) != 0 || message.request == kIotlbMsg) {
    response.bytes = EncodeMessage(message.request, kReplyFlags, U64Payload(value));
  }
  return response;
}

Response Responder::AnswerConfig(const Message& message) {
  Response response;
  if (!message.payload.empty() || !message.fds.empty()) {
    transcript_->AddUnexpected("GET_SHMEM_CONFIG with " + std::to_string(message.payload.size()) +
                               " bytes and " + std::to_string(message.fds.size()) + " fds, expected none");
  }
  if (!IsShmemAcknowledged()) {
    transcript_->AddUnexpected("GET_SHMEM_CONFIG without SHMEM acknowledged");
    response.close_reason = "GET_SHMEM_CONFIG without SHMEM acknowledged";
    return response;
  }
  const ConfigReply& reply = script_->config_reply;
  const bool is_second = ++config_count_ > 1 && reply.second_answer;
  response.bytes = EncodeConfigReply(reply, is_second ? *reply.second_answer : script_->regions);
  response.fd_count = reply.fd_count;
  response.piece_bytes = reply.piece_bytes;
  response.delay = reply.delay;
  using Answer = ConfigReply::Answer;
  if (reply.answer == Answer::kNothing || reply.answer == Answer::kClose) response.bytes.clear();
  if (reply.answer == Answer::kHalfThenClose) response.bytes.resize(response.bytes.size() / 2);
  if (reply.answer == Answer::kClose || reply.answer == Answer::kHalfThenClose) {
    response.close_reason = "the script wants it so";
  }
  transcript_->Add("GET_SHMEM_CONFIG -> " + std::to_string(response.bytes.size()) + " bytes");
  return response;
}

Response Responder::Answer(Message message) {
  device_.Note(message);
  if (script_->is_silent) return {};
  if (message.request == kGetShmemConfig) return AnswerConfig(message);
  if (Bytes payload; HasOwnReply(message, payload)) {
    Response response;
    response.bytes = EncodeMessage(message.request, kReplyFlags, payload);
    return response;
  }
  Note(message);
  const bool is_known = message.request >= kGetFeatures && message.request <= kHighestRequest;
  if (!is_known) transcript_->AddUnexpected("request " + std::to_string(message.request));
  return Acknowledge(message, is_known ? 0 : 1);
}

}  // namespace shmemd::peers
