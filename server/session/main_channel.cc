// SessionTracker: the main channel.
#include <optional>

#include "server/session/session_state.h"
#include "server/session/session_tracker.h"
#include "server/vhost/codec.h"
#include "server/vhost/message_table.h"

namespace shmemd::session {
namespace {

using state::UnobservedReason;
using vhost::Channel;
using vhost::FrontendRequest;
using vhost::ProtocolFeature;

// SET_VRING_KICK: the ring's number; bit 8 says that no descriptor came along.
constexpr uint64_t kKickRingMask = 0xff;

bool IsPostcopyMessage(uint32_t id) {
  return id == Id(FrontendRequest::kSetMemTable) || id == Id(FrontendRequest::kAddMemReg);
}

std::optional<uint64_t> ReadU64(std::span<const uint8_t> payload) {
  const absl::StatusOr<uint64_t> value = vhost::DecodeU64("value", payload);
  return value.ok() ? std::optional<uint64_t>(*value) : std::nullopt;
}

std::optional<vhost::VringState> ReadVringState(std::span<const uint8_t> payload) {
  const auto value = vhost::DecodePayload<vhost::VringState>("vring state", payload);
  return value.ok() ? std::optional<vhost::VringState>(*value) : std::nullopt;
}

}  // namespace

bool SessionTracker::OnFrontendRequest(const PassingMessage& message, std::span<const base::FdFacts> fds) {
  if (IsPostcopyConfirmation(message)) {
    state_->postcopy.phase = PostcopyExchange::Phase::kNone;
    return true;
  }
  if (state_->postcopy.phase == PostcopyExchange::Phase::kAwaitsConfirmation)
    state_->postcopy.phase = PostcopyExchange::Phase::kNone;
  Remember(message);
  return ReadRequest(message, fds);
}

// Eight bytes instead of a table: QEMU sends a u64 of 0, without descriptors.
bool SessionTracker::IsPostcopyConfirmation(const PassingMessage& message) const {
  return state_->postcopy.phase == PostcopyExchange::Phase::kAwaitsConfirmation &&
         message.header.request == state_->postcopy.id && message.payload.size() == sizeof(uint64_t);
}

void SessionTracker::Remember(const PassingMessage& message) {
  State& now = *state_;
  if (now.main_lost.reason != UnobservedReason::kNone) return;
  const AnswerContext context{.reply_ack = now.negotiation.acked(ProtocolFeature::kReplyAck),
                              .log_shmfd = now.negotiation.acked(ProtocolFeature::kLogShmfd),
                              .postcopy_listening = now.postcopy.listening};
  const AnswerRule rule = AnswerRuleOf(Channel::kMain, message.header, context);
  if (rule == AnswerRule::kNone) return;
  const PendingRequest request{
      .id = message.header.request, .optional = rule == AnswerRule::kMaybe, .sent_ns = message.now_ns};
  while (now.main.full() && now.main.at(0).optional && !now.main.at(0).ours) now.main.Pop();
  if (!now.main.Push(request)) {
    constexpr auto kMost = static_cast<uint32_t>(PendingRequests<PendingRequest>::kMost);
    return Lose({UnobservedReason::kTooManyPending, false, kMost, kMost + 1});
  }
  if (!now.postcopy.listening || !IsPostcopyMessage(request.id)) return;
  now.postcopy.phase = PostcopyExchange::Phase::kAwaitsReply;
  now.postcopy.id = request.id;
}

bool SessionTracker::ReadRequest(const PassingMessage& message, std::span<const base::FdFacts> fds) {
  State& now = *state_;
  switch (static_cast<FrontendRequest>(message.header.request)) {
    case FrontendRequest::kSetFeatures:
      return now.negotiation.FeaturesSet(message.payload, events_);
    case FrontendRequest::kSetProtocolFeatures: {
      const bool decoded = now.negotiation.ProtocolFeaturesSet(message.payload, events_);
      now.echo.set_configure_mem_slots(now.negotiation.acked(ProtocolFeature::kConfigureMemSlots));
      if (now.negotiation.shmem_agreed()) now.query.ShmemAcknowledged(message.now_ns);
      return decoded;
    }
    case FrontendRequest::kSetMemTable:
    case FrontendRequest::kAddMemReg:
    case FrontendRequest::kRemMemReg:
      now.query.FrontendWentOn();
      return ReadMemoryRequest(message, fds);
    case FrontendRequest::kSetVringKick:
    case FrontendRequest::kSetVringEnable:
    case FrontendRequest::kGetVringBase:
      return ReadRingRequest(message);
    case FrontendRequest::kPostcopyListen:
      now.postcopy.listening = true;
      return true;
    case FrontendRequest::kPostcopyEnd:
      now.postcopy.listening = false;
      return true;
    case FrontendRequest::kResetOwner:
      // Deprecated, and back-ends disagree about what it resets: as if all rings stopped.
      DeviceChanged(now.rings.StopAll());
      return true;
    case FrontendRequest::kResetDevice:
      DeviceWasReset();
      return true;
    case FrontendRequest::kSetStatus: {
      const std::optional<uint64_t> status = ReadU64(message.payload);
      if (status == uint64_t{0}) DeviceWasReset();
      return status.has_value();
    }
    case FrontendRequest::kGetShmemConfig:
      now.query.FrontendAsked();
      return true;
    default:
      return true;
  }
}

bool SessionTracker::ReadMemoryRequest(const PassingMessage& message, std::span<const base::FdFacts> fds) {
  switch (static_cast<FrontendRequest>(message.header.request)) {
    case FrontendRequest::kSetMemTable:
      return state_->echo.TableSet(message.payload, fds, events_);
    case FrontendRequest::kAddMemReg:
      return state_->echo.RegionAdded(message.payload, fds, events_);
    default:
      return state_->echo.RegionRemoved(message.payload, events_);
  }
}

bool SessionTracker::ReadRingRequest(const PassingMessage& message) {
  const auto request = static_cast<FrontendRequest>(message.header.request);
  if (request == FrontendRequest::kSetVringKick) {
    const std::optional<uint64_t> value = ReadU64(message.payload);
    if (value && state_->negotiation.rings_start_enabled())
      DeviceChanged(state_->rings.Enable(static_cast<uint32_t>(*value & kKickRingMask), true));
    return value.has_value();
  }
  const std::optional<vhost::VringState> ring = ReadVringState(message.payload);
  if (!ring) return false;
  if (request == FrontendRequest::kGetVringBase) {
    DeviceChanged(state_->rings.Stop(ring->index));
  } else {
    state_->query.FrontendWentOn();
    DeviceChanged(state_->rings.Enable(ring->index, ring->num != 0));
  }
  return true;
}

void SessionTracker::DeviceChanged(DeviceRings::Change change) {
  State& now = *state_;
  if (change == DeviceRings::Change::kStarted) {
    events_.Publish(state::DeviceStateChanged{state::DeviceState::kStarted});
    now.echo.DeviceStarted(events_);
    now.query.FrontendWentOn();
    now.negotiation.DeviceStarted(events_);
    if (now.negotiation.shmem_agreed()) now.query.Missed(options_.query == state::Query::kInject, events_);
  } else if (change == DeviceRings::Change::kStopped) {
    now.echo.DeviceStopped();
    events_.Publish(state::DeviceStateChanged{state::DeviceState::kStopped});
    events_.Publish(state::MappingsStaled{});
  }
}

void SessionTracker::DeviceWasReset() {
  if (state_->rings.StopAll() == DeviceRings::Change::kStopped) {
    state_->echo.DeviceStopped();
    events_.Publish(state::DeviceStateChanged{state::DeviceState::kStopped});
  }
  events_.Publish(state::DeviceReset{.suspected = false});
}

bool SessionTracker::OnBackendReply(const PassingMessage& message) {
  State& now = *state_;
  if (now.main_lost.reason != UnobservedReason::kNone) return true;
  const uint32_t id = message.header.request;
  const auto match = now.main.Find(id);
  if (match.pairing == Pairing::kUnrequested) return true;
  if (match.pairing == Pairing::kLost) {
    // An answer to a message that nobody knows may come or not.
    if (vhost::FindMessage(Channel::kMain, id) == nullptr) return true;
    const PendingRequest oldest = now.main.at(match.index);
    const bool to_config = oldest.id == Id(FrontendRequest::kGetShmemConfig);
    if (to_config) ReadReply(message, oldest);
    Lose({UnobservedReason::kPairingLost, false, oldest.id, id});
    return !to_config;
  }
  for (size_t i = 0; i < match.index; ++i) {
    if (now.main.Pop()->ours) now.query.PassedOver(message.now_ns, events_);
  }
  const bool decoded = ReadReply(message, *now.main.Pop());
  CheckQuestion(message.now_ns);
  return decoded;
}

bool SessionTracker::ReadReply(const PassingMessage& message, const PendingRequest& request) {
  State& now = *state_;
  switch (static_cast<FrontendRequest>(request.id)) {
    case FrontendRequest::kGetFeatures:
      return now.negotiation.FeaturesAnswered(message.payload, events_);
    case FrontendRequest::kGetProtocolFeatures:
      return now.negotiation.ProtocolFeaturesAnswered(message.payload, events_);
    case FrontendRequest::kGetShmemConfig: {
      const int64_t duration_ns = message.now_ns - request.sent_ns;
      const bool decoded = now.query.Answered({message.header, message.payload}, message.fd_count, false,
                                              duration_ns < 0 ? 0 : duration_ns, events_);
      if (decoded) now.negotiation.BecomeActive(events_);
      return decoded;
    }
    case FrontendRequest::kSetMemTable:
    case FrontendRequest::kAddMemReg:
      if (now.postcopy.phase == PostcopyExchange::Phase::kAwaitsReply && now.postcopy.id == request.id)
        now.postcopy.phase = PostcopyExchange::Phase::kAwaitsConfirmation;
      return true;
    default:
      return true;
  }
}

}  // namespace shmemd::session
