#include "server/session/backend_requests.h"

#include <algorithm>
#include <cerrno>

#include "server/vhost/codec.h"
#include "server/vhost/message_table.h"

namespace shmemd::session {
namespace {

using state::EvidenceKey;
using state::FindingCode;
using state::RequestFailure;
using state::UnobservedReason;
using vhost::BackendRequest;
using vhost::Channel;

constexpr int64_t kMostErrno = 4095;
constexpr int64_t kNobodyAnswered = -1;

// The value of an ack is not portable: rust-vmm and crosvm answer -errno, QEMU 1.
int32_t ErrnoOf(uint64_t answer) {
  if (answer == vhost::kAckOk) return 0;
  const auto value = static_cast<int64_t>(answer);
  return value < 0 && value >= -kMostErrno ? static_cast<int32_t>(-value) : EIO;
}

bool IsStandardMap(uint32_t id) {
  return id == Id(BackendRequest::kShmemMap) || id == Id(BackendRequest::kShmemUnmap);
}

state::UnmapRequest UnmapOf(const state::MapRequest& request) {
  return {.shm_offset = request.shm_offset,
          .len = request.len,
          .fd_count = request.fd_count,
          .shmid = request.shmid,
          .need_reply = request.need_reply};
}

void PublishRequested(const RelayedMap& map, const EventWriter& events) {
  if (map.unmap) {
    events.Publish(state::UnmapRequested{UnmapOf(map.request)});
  } else {
    events.Publish(state::MapRequested{map.request});
  }
}

void PublishSettled(const RelayedMap& map, int64_t latency_ns, int32_t error_number, RequestFailure failure,
                    const EventWriter& events) {
  if (map.unmap) {
    events.Publish(state::UnmapSettled{UnmapOf(map.request), latency_ns, error_number, failure});
  } else {
    events.Publish(state::MapSettled{map.request, latency_ns, error_number, failure});
  }
}

void PublishDone(const RelayedMap& map, int64_t latency_ns, const BackendRequests::Context& context) {
  PublishSettled(map, latency_ns, 0, RequestFailure::kNone, context.events);
  if (map.unmap) return;
  const state::MapRequest& request = map.request;
  context.echo.Mapped(request, context.events);
  const bool writable = (request.flags & state::kMapFlagReadWrite) != 0;
  if (writable || !context.events.Guards(FindingCode::kReadOnlyNotEnforced)) return;
  context.events.Raise(FindingCode::kReadOnlyNotEnforced,
                       {{{EvidenceKey::kShmOffset, request.shm_offset}, {EvidenceKey::kLen, request.len}}},
                       request.shmid);
}

state::EvidenceList EvidenceOf(uint32_t id, const state::MapRequest& request) {
  return {{{EvidenceKey::kMessageId, id},
           {EvidenceKey::kShmOffset, request.shm_offset},
           {EvidenceKey::kLen, request.len}}};
}

}  // namespace

BackendRequests::Outcome BackendRequests::Requested(const vhost::MessageView& message, size_t fd_count,
                                                    std::span<const base::FdFacts> fds, Handed handed,
                                                    const Context& context) {
  const vhost::Header& header = message.header;
  PendingMap request;
  request.id = header.request;
  request.sent_ns = context.now_ns;
  request.map = ReadRelayedMap(message, fds.empty() ? base::FdFacts{} : fds[0], fd_count, context.reply_ack);
  AnswerRule rule = AnswerRuleOf(Channel::kBackend, header, {.reply_ack = context.reply_ack});
  Outcome outcome;
  if (request.map) {
    const RelayedMap& map = *request.map;
    if (!map.exact) {
      outcome.decoded = false;
      context.events.Raise(FindingCode::kMapMalformed, {{{EvidenceKey::kMessageId, header.request},
                                                         {EvidenceKey::kExpected, sizeof(vhost::MMapPayload)},
                                                         {EvidenceKey::kGot, message.payload.size()}}});
    }
    PublishRequested(map, context.events);
    if (handed != Handed::kOn) {
      ActForGuard(message, map, handed, context);
      return outcome;
    }
    outcome.map_seen = true;
    NoteStopped(message, map, context);
    if (rule == AnswerRule::kNone && answers_without_need_reply_) rule = AnswerRule::kMaybe;
    const bool answered = rule == AnswerRule::kExpected || answers_without_need_reply_ ||
                          (rule == AnswerRule::kMaybe && answers_without_reply_ack_);
    // Front-ends other than QEMU refuse other sizes without an answer.
    if (rule == AnswerRule::kExpected && !map.exact) rule = AnswerRule::kMaybe;
    if (!answered) {
      PublishDone(map, kNobodyAnswered, context);
      request.settled = true;
    }
  }
  if (rule == AnswerRule::kNone) return outcome;
  request.optional = rule == AnswerRule::kMaybe;
  outcome.lost = Remember(request, context).lost;
  return outcome;
}

BackendRequests::Outcome BackendRequests::Remember(const PendingMap& request, const Context& context) {
  while (pending_.full() && pending_.at(0).optional) PassOver(*pending_.Pop(), context);
  if (pending_.Push(request)) return {};
  if (request.map && !request.settled) {
    PublishSettled(*request.map, kNobodyAnswered, EPROTO, RequestFailure::kRefused, context.events);
  }
  constexpr auto kMost = static_cast<uint32_t>(PendingRequests<PendingMap>::kMost);
  return {.lost = {UnobservedReason::kTooManyPending, true, kMost, kMost + 1}};
}

BackendRequests::Outcome BackendRequests::Answered(const vhost::MessageView& message,
                                                   const Context& context) {
  const uint32_t id = message.header.request;
  const absl::StatusOr<uint64_t> answer = vhost::DecodeU64("answer", message.payload);
  const auto match = pending_.Find(id);
  if (match.pairing == Pairing::kUnrequested) {
    if (IsStandardMap(id)) answers_without_need_reply_ = true;
    return {.decoded = answer.ok(), .map_seen = false, .lost = {}};
  }
  if (match.pairing == Pairing::kLost) {
    // An answer to a message that nobody knows may come or not.
    if (vhost::FindMessage(Channel::kBackend, id) == nullptr) return {};
    return {.lost = {UnobservedReason::kPairingLost, true, pending_.at(match.index).id, id}};
  }
  for (size_t i = 0; i < match.index; ++i) PassOver(*pending_.Pop(), context);
  const PendingMap request = *pending_.Pop();
  if (!request.map) return {.decoded = answer.ok(), .map_seen = false, .lost = {}};
  if (request.settled) answers_without_reply_ack_ = true;
  if (!answer.ok()) {
    if (!request.settled) {
      PublishSettled(*request.map, kNobodyAnswered, EPROTO, RequestFailure::kMalformed, context.events);
    }
    return {.decoded = false, .map_seen = false, .lost = {}};
  }
  Settle(request, *answer, context);
  return {};
}

void BackendRequests::Settle(const PendingMap& request, uint64_t answer, const Context& context) {
  const int32_t error_number = ErrnoOf(answer);
  if (request.settled) {
    // It was shown as ASSUMED and is not there: taken back, as the first answer of a peer told that it
    // answers at all.
    if (error_number != 0 && !request.map->unmap)
      context.events.Publish(state::UnmapSettled{UnmapOf(request.map->request), kNobodyAnswered});
    return;
  }
  const int64_t latency_ns = std::max<int64_t>(context.now_ns - request.sent_ns, 0);
  if (error_number == 0) return PublishDone(*request.map, latency_ns, context);
  PublishSettled(*request.map, latency_ns, error_number, RequestFailure::kRefused, context.events);
}

// The VMM went on without answering it.
void BackendRequests::PassOver(const PendingMap& request, const Context& context) {
  if (!request.map || request.settled) return;
  if (request.map->exact) return PublishDone(*request.map, kNobodyAnswered, context);
  PublishSettled(*request.map, kNobodyAnswered, EINVAL, RequestFailure::kMalformed, context.events);
}

void BackendRequests::Abandon(int32_t error_number, const EventWriter& events) {
  while (const std::optional<PendingMap> request = pending_.Pop()) {
    if (!request->map || request->settled) continue;
    PublishSettled(*request->map, kNobodyAnswered, error_number, RequestFailure::kRefused, events);
  }
}

const PendingMap* BackendRequests::oldest_map() const {
  return pending_.FindOldest([](const PendingMap& request) { return request.map && !request.settled; });
}

void BackendRequests::ActForGuard(const vhost::MessageView& message, const RelayedMap& map, Handed handed,
                                  const Context& context) {
  const FindingCode code =
      handed == Handed::kRefusedByGuard ? FindingCode::kGuardRefused : FindingCode::kGuardDropped;
  PublishSettled(map, kNobodyAnswered, EPERM, RequestFailure::kRefused, context.events);
  context.events.Publish(state::GuardActed{code});
  context.events.Raise(code, EvidenceOf(message.header.request, map.request), map.request.shmid);
}

void BackendRequests::NoteStopped(const vhost::MessageView& message, const RelayedMap& map,
                                  const Context& context) {
  if (context.may_map || !IsStandardMap(message.header.request)) return;
  if (!context.events.Guards(FindingCode::kMapWhenStopped)) return;
  context.events.Raise(FindingCode::kMapWhenStopped, EvidenceOf(message.header.request, map.request),
                       map.request.shmid);
}

}  // namespace shmemd::session
