#include "server/session/session_tracker.h"

#include <algorithm>
#include <cerrno>
#include <type_traits>

#include "server/session/guard_rules.h"
#include "server/session/session_state.h"
#include "server/vhost/message_table.h"

namespace shmemd::session {
namespace {

using state::EvidenceKey;
using state::FindingCode;
using state::Observation;
using state::UnobservedReason;
using vhost::BackendRequest;
using vhost::Channel;
using vhost::FrontendRequest;
using vhost::ProtocolFeature;

constexpr uint32_t kGetConfigId = Id(FrontendRequest::kGetShmemConfig);
constexpr uint32_t kFirstLegacyId = Id(BackendRequest::kLegacyShmemMap);
constexpr int64_t kDeadlockNs = 2'000'000'000;
constexpr int64_t kNsPerMs = 1'000'000;

bool IsAnswer(const PassingMessage& message) {
  return (message.channel == Channel::kMain) == (message.sender == Sender::kBackend);
}

bool IsCut(const PassingMessage& message) {
  return message.cut || message.payload.size() != message.header.size;
}

bool TellsOfMemory(uint32_t id) {
  return id == Id(FrontendRequest::kSetMemTable) || id == Id(FrontendRequest::kAddMemReg) ||
         id == Id(FrontendRequest::kRemMemReg);
}

bool IsTheFrontends(const PendingRequest& request) { return request.id == kGetConfigId && !request.ours; }

}  // namespace

SessionTracker::SessionTracker(state::EventSink& sink, const TrackerOptions& options)
    : options_(options), events_(sink, options_), state_(std::make_unique<State>(options)) {
  static_assert(std::is_trivially_copyable_v<State>);
}

SessionTracker::~SessionTracker() = default;

Verdict SessionTracker::Judge(const PassingMessage& message) const {
  if (message.channel == Channel::kMain) {
    if (IsOurAnswer(message)) return Verdict::kSwallow;
    const bool hands_channel = message.sender == Sender::kFrontend && message.fd_count == 1 &&
                               message.header.request == Id(FrontendRequest::kSetBackendReqFd);
    return hands_channel ? Verdict::kSwapBackendFd : Verdict::kForward;
  }
  const uint32_t id = message.header.request;
  const bool maps = id == Id(BackendRequest::kShmemMap) || id == Id(BackendRequest::kShmemUnmap);
  if (message.sender != Sender::kBackend || !maps || state_->rings.may_map() ||
      !GuardKeepsAway(options_.guard, FindingCode::kMapWhenStopped)) {
    return Verdict::kForward;
  }
  // NEED_REPLY without REPLY_ACK is answered by QEMU, whom this protects.
  if (!message.header.needs_reply()) return Verdict::kDrop;
  return state_->backend.waits_for_answer() ? Verdict::kHold : Verdict::kRefuse;
}

bool SessionTracker::Passed(const PassingMessage& message, Verdict verdict,
                            std::span<const base::FdFacts> fds) {
  NoteOddities(message);
  const bool on_backend_channel = message.channel == Channel::kBackend;
  if (IsCut(message)) {
    if (verdict == Verdict::kSwallow) TakeOurAnswer(message);
    Lose({UnobservedReason::kMessageTooLarge, on_backend_channel, 0, message.header.request});
    return false;
  }
  if (verdict == Verdict::kSwallow) return TakeOurAnswer(message);
  bool decoded = true;
  if (on_backend_channel) {
    decoded = IsAnswer(message) ? OnFrontendAnswer(message) : OnBackendRequest(message, verdict, fds);
  } else {
    decoded = IsAnswer(message) ? OnBackendReply(message) : OnFrontendRequest(message, fds);
  }
  CheckDeadlockEnded();
  return decoded;
}

void SessionTracker::NoteOddities(const PassingMessage& message) {
  const vhost::Header& header = message.header;
  const uint32_t expected =
      IsAnswer(message) ? vhost::kReplyFlags : vhost::kRequestFlags | (header.flags & vhost::kNeedReplyFlag);
  if (header.flags != expected) {
    events_.Raise(FindingCode::kHeaderOdd, {{{EvidenceKey::kMessageId, header.request},
                                             {EvidenceKey::kExpected, expected},
                                             {EvidenceKey::kGot, header.flags}}});
  }
  if (vhost::FindMessage(message.channel, header.request) == nullptr || header.request >= kFirstLegacyId) {
    events_.Raise(FindingCode::kMessageUnknown,
                  {{{EvidenceKey::kMessageId, header.request}, {EvidenceKey::kFdCount, message.fd_count}}});
  }
  if (IsCut(message)) {
    events_.Raise(FindingCode::kMessageTooLarge,
                  {{{EvidenceKey::kMessageId, header.request}, {EvidenceKey::kGot, header.size}}});
  }
}

// ---- back-end channel

bool SessionTracker::OnBackendRequest(const PassingMessage& message, Verdict verdict,
                                      std::span<const base::FdFacts> fds) {
  if (state_->backend_lost.reason != UnobservedReason::kNone) {
    if (ReadRelayedMap({message.header, message.payload}, {}, message.fd_count, false)) NoteMapSeen();
    return true;
  }
  Handed handed = Handed::kOn;
  if (verdict == Verdict::kRefuse) handed = Handed::kRefusedByGuard;
  if (verdict == Verdict::kDrop) handed = Handed::kDroppedByGuard;
  const BackendRequests::Context context{events_, state_->echo,
                                         state_->negotiation.acked(ProtocolFeature::kReplyAck),
                                         state_->rings.may_map(), message.now_ns};
  const BackendRequests::Outcome outcome =
      state_->backend.Requested({message.header, message.payload}, message.fd_count, fds, handed, context);
  if (outcome.map_seen) NoteMapSeen();
  if (outcome.lost.reason != UnobservedReason::kNone) Lose(outcome.lost);
  CheckMappingCount();
  return outcome.decoded;
}

bool SessionTracker::OnFrontendAnswer(const PassingMessage& message) {
  if (state_->backend_lost.reason != UnobservedReason::kNone) return true;
  const BackendRequests::Context context{events_, state_->echo,
                                         state_->negotiation.acked(ProtocolFeature::kReplyAck),
                                         state_->rings.may_map(), message.now_ns};
  const BackendRequests::Outcome outcome =
      state_->backend.Answered({message.header, message.payload}, context);
  if (outcome.lost.reason != UnobservedReason::kNone) Lose(outcome.lost);
  CheckMappingCount();
  return outcome.decoded;
}

void SessionTracker::CheckMappingCount() {
  const uint64_t count = events_.table().Totals().mapping_count;
  if (count > options_.max_mappings) {
    Lose({UnobservedReason::kTooManyMappings, true, static_cast<uint32_t>(options_.max_mappings),
          static_cast<uint32_t>(count)});
  }
}

void SessionTracker::NoteMapSeen() {
  state_->negotiation.BecomeActive(events_);
  const bool will_ask = options_.query == state::Query::kInject && state_->negotiation.shmem_agreed();
  state_->query.Missed(will_ask, events_);
}

void SessionTracker::BackendChannelBegan() {
  state_->backend.Abandon(ECONNRESET, events_);
  state_->backend = {};
  state_->backend_lost = {};
  CheckDeadlockEnded();
  ShowObservation();
}

void SessionTracker::BackendChannelEnded() {
  state_->backend.Abandon(ECONNRESET, events_);
  // Nothing is left to follow; of a channel that was never ours nobody knows.
  if (state_->backend_lost.reason != UnobservedReason::kBackendChannelOdd) state_->backend_lost = {};
  ShowObservation();
  CheckDeadlockEnded();
}

void SessionTracker::BackendChannelOdd(size_t fd_count) {
  Lose({UnobservedReason::kBackendChannelOdd, true, 1, static_cast<uint32_t>(fd_count)});
}

// ---- what cannot be followed

void SessionTracker::Lose(const Observation& observation) {
  Observation& lost = observation.on_backend_channel ? state_->backend_lost : state_->main_lost;
  if (lost.reason != UnobservedReason::kNone) return;
  lost = observation;
  if (observation.reason == UnobservedReason::kPairingLost) {
    events_.Raise(FindingCode::kPairingLost,
                  {{{EvidenceKey::kExpected, observation.expected}, {EvidenceKey::kGot, observation.got}}});
  }
  if (observation.on_backend_channel) {
    state_->backend.Abandon(EPROTO, events_);
    events_.Publish(state::MappingsStaled{});
  } else {
    state_->main.Clear();
    state_->postcopy.phase = PostcopyExchange::Phase::kNone;
  }
  CheckDeadlockEnded();
  ShowObservation();
}

void SessionTracker::ShowObservation() {
  const bool main = state_->main_lost.reason != UnobservedReason::kNone;
  const Observation& now = main ? state_->main_lost : state_->backend_lost;
  if (now == state_->shown) return;
  state_->shown = now;
  events_.Publish(state::ObservationChanged{now});
}

// ---- our own question

bool SessionTracker::IsOurAnswer(const PassingMessage& message) const {
  const State& now = *state_;
  if (!now.query.outstanding() || !IsAnswer(message) || message.channel != Channel::kMain ||
      message.header.request != kGetConfigId) {
    return false;
  }
  // Whoever asked first is answered first: the front-end had not asked before us, or was answered.
  if (!now.query.passed_over()) return true;
  if (now.main_lost.reason != UnobservedReason::kNone) return !now.query.frontend_asked();
  return now.main.FindOldest(IsTheFrontends) == nullptr;
}

bool SessionTracker::TakeOurAnswer(const PassingMessage& message) {
  state_->main.EraseOldest([](const PendingRequest& request) { return request.ours; });
  const int64_t duration_ns = std::max<int64_t>(message.now_ns - state_->query.asked_ns(), 0);
  const bool decoded =
      state_->query.Answered({message.header, message.payload}, message.fd_count, true, duration_ns, events_);
  if (decoded) state_->negotiation.BecomeActive(events_);
  return decoded;
}

bool SessionTracker::MayAsk() const {
  const State& now = *state_;
  return now.query.wanted(options_) && !now.query.outstanding() && now.negotiation.shmem_agreed() &&
         now.main_lost.reason == UnobservedReason::kNone && !now.backend_ended && !now.main.full() &&
         now.postcopy.phase == PostcopyExchange::Phase::kNone &&
         now.main.FindOldest(IsTheFrontends) == nullptr;
}

void SessionTracker::Asked(int64_t now_ns) {
  state_->query.Asked(now_ns);
  state_->main.Push({.id = kGetConfigId, .optional = true, .ours = true, .sent_ns = now_ns});
  CheckQuestion(now_ns);
}

void SessionTracker::WantConfig() { state_->query.AskAgain(); }

void SessionTracker::CheckQuestion(int64_t now_ns) {
  const PendingRequest* next = state_->main.FindOldest(
      [](const PendingRequest& request) { return request.ours || !request.optional; });
  if (next != nullptr && next->ours) state_->query.BecameOldest(now_ns);
}

// ---- time

int64_t SessionTracker::EchoDeadlockAt() const {
  if (state_->deadlock_shown || !events_.Guards(FindingCode::kEchoDeadlock)) return ConfigQuery::kNever;
  const PendingMap* map = state_->backend.oldest_map();
  if (map == nullptr) return ConfigQuery::kNever;
  const PendingRequest* memory = state_->main.FindOldest(
      [](const PendingRequest& request) { return TellsOfMemory(request.id) && !request.optional; });
  if (memory == nullptr) return ConfigQuery::kNever;
  return std::max(map->sent_ns, memory->sent_ns) + kDeadlockNs;
}

int64_t SessionTracker::NextDeadline() const {
  return std::min(state_->query.NextDeadline(options_), EchoDeadlockAt());
}

void SessionTracker::OnDeadline(int64_t now_ns) {
  state_->query.OnDeadline(now_ns, events_);
  if (now_ns < EchoDeadlockAt()) return;
  const PendingRequest* memory = state_->main.FindOldest(
      [](const PendingRequest& request) { return TellsOfMemory(request.id) && !request.optional; });
  const int64_t since_ns = std::max(state_->backend.oldest_map()->sent_ns, memory->sent_ns);
  state_->deadlock_shown = true;
  events_.Raise(FindingCode::kEchoDeadlock,
                {{{EvidenceKey::kMessageId, memory->id},
                  {EvidenceKey::kGot, static_cast<uint64_t>((now_ns - since_ns) / kNsPerMs)}}});
}

void SessionTracker::CheckDeadlockEnded() {
  if (!state_->deadlock_shown) return;
  state_->deadlock_shown = false;
  if (EchoDeadlockAt() != ConfigQuery::kNever) {
    state_->deadlock_shown = true;
    return;
  }
  events_.Close(FindingCode::kEchoDeadlock);
}

// ---- ends

void SessionTracker::FrontendEnded() {
  if (!state_->backend_ended && !state_->frontend_ended) {
    state_->frontend_ended_first = true;
    events_.Publish(state::MappingsCleared{});
  }
  state_->frontend_ended = true;
}

void SessionTracker::BackendEnded() {
  if (!state_->frontend_ended && !state_->backend_ended)
    state_->query.BackendEnded(state_->main.FindOldest(IsTheFrontends) != nullptr, events_);
  state_->backend_ended = true;
}

void SessionTracker::SessionEnded() {
  if (events_.table().Totals().mapping_count == 0) return;
  if (state_->frontend_ended_first) {
    events_.Publish(state::MappingsCleared{});
  } else {
    events_.Publish(state::MappingsStaled{});
  }
}

const std::optional<vhost::ShmemConfigReply>& SessionTracker::config() const { return state_->query.reply(); }

uint32_t SessionTracker::OldestPending(Channel channel) const {
  const auto oldest = [](const auto& requests) {
    const auto* waits = requests.FindOldest([](const auto& request) { return !request.optional; });
    if (waits == nullptr) waits = requests.FindOldest([](const auto&) { return true; });
    return waits == nullptr ? 0 : waits->id;
  };
  return channel == Channel::kMain ? oldest(state_->main) : oldest(state_->backend.pending());
}

std::array<uint8_t, 20> RefusalOf(const vhost::Header& request) {
  return vhost::EncodeMessage(request.request, vhost::kReplyFlags, uint64_t{1});
}

}  // namespace shmemd::session
