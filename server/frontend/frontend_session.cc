#include "server/frontend/frontend_session.h"

#include <absl/strings/str_cat.h>

#include <utility>

#include "server/base/clock.h"
#include "server/frontend/cause_words.h"
#include "server/session/config_answer.h"
#include "server/session/feature_findings.h"

namespace shmemd::frontend {
namespace {

using state::BackendState;
using state::Cause;
using state::EvidenceKey;
using state::FindingCode;
using state::StateReason;
using vhost::ProtocolFeature;

// A process that ends closes its sockets one after the other: the main channel's end says more.
constexpr int64_t kChannelGraceNs = 100'000'000;
// A real device maps when its guest asks it to; without a VMM nobody does.
constexpr int64_t kIdleNs = 5'000'000'000;

state::PeerProcess ToModel(const net::PeerCredentials& peer) {
  return {.uid = peer.uid, .gid = peer.gid, .pid = peer.pid, .comm = peer.comm, .known = peer.known};
}

bool IsAnswerToConfig(const Cause& cause) {
  return !cause.on_backend_channel && cause.message_id == Id(vhost::FrontendRequest::kGetShmemConfig);
}

feed::CommandFailure FailureOf(const Cause& cause) {
  switch (cause.reason) {
    case StateReason::kConfigReplyMalformed:
      return feed::CommandFailure::kShmemConfigInvalid;
    case StateReason::kClosedByShmemd:
      return feed::CommandFailure::kShuttingDown;
    default:
      return feed::CommandFailure::kBackendUnreachable;
  }
}

}  // namespace

FrontendSession::FrontendSession(const SessionContext& context, state::BackendHandle backend)
    : context_(context),
      backend_(backend),
      windows_(context.config.limits, context.budget, context.publisher.Find(backend)->page_size()),
      backoff_(context.config.reconnect.min_ns, context.config.reconnect.max_ns) {}

FrontendSession::~FrontendSession() { CancelTimers(); }

const state::BackendSpec& FrontendSession::spec() const { return context_.publisher.Find(backend_)->spec(); }

void FrontendSession::Start() { Connect(); }

void FrontendSession::Connect() {
  connection_ =
      std::make_unique<Connection>(context_.loop, context_.closer, spec().backend_socket,
                                   context_.config.timeouts, static_cast<Connection::Observer&>(*this));
  connection_->Open();
}

void FrontendSession::Stop(feed::CommandFailure why) {
  CancelTimers();
  const bool was_connected = connected_;
  CloseAll();
  const Cause cause{.reason = StateReason::kClosedByShmemd};
  if (was_connected) Publish(state::Disconnected{BackendState::kDisconnected, cause});
  const bool ending = why == feed::CommandFailure::kShuttingDown;
  CompleteRefresh(why,
                  ending ? "shmemd is shutting down" : absl::StrCat("back-end ", spec().id, ": detached"));
}

void FrontendSession::OnConnected(const net::PeerCredentials& peer) {
  connected_ = true;
  probed_once_ = true;
  ready_ = false;
  if (previous_) previous_->same_connection = false;
  // Why the last connection failed stays shown until this one is better.
  const state::BackendStatus& status = context_.publisher.Find(backend_)->status();
  const Cause last = status.state == BackendState::kFailed ? status.cause : Cause{};
  Publish(state::Connected{ToModel(peer)});
  Publish(state::StateChanged{BackendState::kNegotiating, last});
}

void FrontendSession::OnFeatures(const state::Features& features) {
  features_ = features;
  Publish(state::FeaturesSeen{features});
  for (const state::FindingRaised& finding : session::FeatureFindings(features)) Publish(finding);
}

void FrontendSession::OnBackendChannel(base::UniqueFd channel) {
  channel_ =
      std::make_unique<BackendChannel>(context_.loop, context_.closer, std::move(channel), context_.publisher,
                                       backend_, windows_, static_cast<BackendChannel::Observer&>(*this));
}

void FrontendSession::OnUnsupported(const Cause& cause) {
  Publish(state::StateChanged{BackendState::kUnsupported, cause});
  CompleteRefresh(feed::CommandFailure::kShmemNotNegotiated,
                  absl::StrCat("back-end ", spec().id, ": ", CauseWords(cause)));
  if (!probe_mode()) return;  // hold the connection: its end tells that another back-end may come
  connected_ = false;
  connection_->Close();
}

void FrontendSession::OnAnswer(const vhost::ShmemConfigReply& reply, int64_t duration_ns) {
  Publish(state::QueryDone{duration_ns, false});
  const session::ConfigContext context{.source = state::ConfigSource::kAsked,
                                       .page_size = context_.publisher.Find(backend_)->page_size(),
                                       .now_ns = base::WallNanos()};
  for (const state::EventBody& event : session::ReadConfig(reply, previous_, context)) Publish(event);
  previous_ = session::PreviousConfig{reply, true};
  if (!ready_) BecomeReady();
  CompleteRefresh(feed::CommandFailure::kNone, "");
}

void FrontendSession::BecomeReady() {
  if (probe_mode()) {
    Publish(state::StateChanged{BackendState::kProbed, {}});
    CloseAll();
    return;
  }
  ready_ = true;
  ready_since_ns_ = base::MonotonicNanos();
  Publish(state::StateChanged{BackendState::kActive, {}});
  if (!channel_) return;
  channel_->Start(Has(features_.acked_protocol, ProtocolFeature::kReplyAck));
  idle_timer_ = context_.loop.After(kIdleNs, [this] {
    idle_timer_.reset();
    if (channel_) channel_->NoteIdle();
  });
}

void FrontendSession::OnChannelEnded(const Cause& cause) {
  grace_timer_ = context_.loop.After(kChannelGraceNs, [this, cause] {
    grace_timer_.reset();
    OnEnded(cause, connection_ && connection_->asking() ? 0 : -1);
  });
}

void FrontendSession::OnEnded(const Cause& cause, int64_t query_duration_ns) {
  const bool was_connected = connected_;
  const bool was_silent_or_ready =
      ready_ || context_.publisher.Find(backend_)->status().state == BackendState::kUnsupported;
  if (query_duration_ns >= 0) Publish(state::QueryDone{query_duration_ns, true});
  if (was_connected) {
    PublishEndFindings(cause, query_duration_ns >= 0);
    const bool orderly = cause.reason == StateReason::kClosedByBackend && was_silent_or_ready;
    Publish(state::Disconnected{orderly ? BackendState::kDisconnected : BackendState::kFailed, cause});
    if (ready_) backoff_.ResetIfLasted(base::MonotonicNanos() - ready_since_ns_);
  } else {
    NeverConnected(cause);
  }
  CloseAll();
  CompleteRefresh(FailureOf(cause), absl::StrCat("back-end ", spec().id, ": ", CauseWords(cause)));
  if (!probe_mode() || !probed_once_) ScheduleReconnect();
}

// A try to connect that failed changes nothing for a back-end that was there before: why it went stays shown.
void FrontendSession::NeverConnected(const Cause& cause) {
  const state::BackendStatus& status = context_.publisher.Find(backend_)->status();
  if (status.epoch == 0 && status.cause != cause)
    Publish(state::StateChanged{BackendState::kConnecting, cause});
}

void FrontendSession::PublishEndFindings(const Cause& cause, bool asking) {
  const state::EvidenceList evidence{{{EvidenceKey::kMessageId, cause.message_id},
                                      {EvidenceKey::kExpected, cause.expected},
                                      {EvidenceKey::kGot, cause.got}}};
  const bool unanswered =
      cause.reason == StateReason::kReplyTimeout || cause.reason == StateReason::kClosedByBackend;
  if (cause.reason == StateReason::kConfigReplyMalformed) {
    Publish(session::MalformedConfigFinding(cause));
  } else if (cause.reason == StateReason::kMessageTooLarge) {
    Publish(state::FindingRaised{FindingCode::kMessageTooLarge, state::kWholeBackend, evidence});
  } else if (asking && unanswered && IsAnswerToConfig(cause)) {
    Publish(state::FindingRaised{FindingCode::kShmemAdvertisedNoConfig,
                                 state::kWholeBackend,
                                 {{{EvidenceKey::kMessageId, cause.message_id}}}});
  }
}

void FrontendSession::CloseAll() {
  if (grace_timer_) context_.loop.Cancel(*std::exchange(grace_timer_, std::nullopt));
  if (idle_timer_) context_.loop.Cancel(*std::exchange(idle_timer_, std::nullopt));
  connected_ = false;
  ready_ = false;
  if (connection_) connection_->Close();
  channel_.reset();
  windows_.Clear();
}

void FrontendSession::ScheduleReconnect() {
  reconnect_timer_ = context_.loop.After(backoff_.NextNs(context_.random), [this] {
    reconnect_timer_.reset();
    Connect();
  });
}

void FrontendSession::CancelTimers() {
  for (auto* timer : {&reconnect_timer_, &grace_timer_, &idle_timer_}) {
    if (*timer) context_.loop.Cancel(*std::exchange(*timer, std::nullopt));
  }
}

void FrontendSession::Refresh(RefreshDone done) {
  const auto refuse = [&](feed::CommandFailure failure, const std::string& why) {
    done({failure, absl::StrCat("back-end ", spec().id, ": ", why), std::nullopt});
  };
  const state::BackendStatus& status = context_.publisher.Find(backend_)->status();
  if (refresh_done_) return refuse(feed::CommandFailure::kBackendBusy, "another refresh is under way");
  if (connected_ && status.state == BackendState::kUnsupported) {
    return refuse(feed::CommandFailure::kShmemNotNegotiated, CauseWords(status.cause));
  }
  if (connected_ && !ready_) return refuse(feed::CommandFailure::kBackendBusy, "the handshake is under way");
  if (!connected_ && !probe_mode()) {
    return refuse(feed::CommandFailure::kBackendUnreachable,
                  absl::StrCat("not connected; ", CauseWords(status.cause)));
  }
  refresh_done_ = std::move(done);
  if (!connected_) {
    CancelTimers();
    Connect();
  } else if (!connection_->Ask()) {
    CompleteRefresh(feed::CommandFailure::kBackendBusy, "GET_SHMEM_CONFIG is under way");
  }
}

void FrontendSession::CompleteRefresh(feed::CommandFailure failure, std::string message) {
  if (RefreshDone done = std::exchange(refresh_done_, nullptr))
    done({failure, std::move(message), std::nullopt});
}

}  // namespace shmemd::frontend
