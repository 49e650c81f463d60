#include "server/session/config_query.h"

#include <algorithm>
#include <variant>

#include "server/base/clock.h"
#include "server/session/config_answer.h"
#include "server/vhost/protocol.h"

namespace shmemd::session {
namespace {

using state::EvidenceKey;
using state::FindingCode;

constexpr uint32_t kId = Id(vhost::FrontendRequest::kGetShmemConfig);

}  // namespace

void ConfigQuery::ShmemAcknowledged(int64_t now_ns) {
  if (due_at_ns_ == 0) due_at_ns_ = now_ns + kPatienceNs;
}

void ConfigQuery::FrontendAsked() { frontend_asked_ = true; }

void ConfigQuery::Missed(bool will_ask, const EventWriter& events) {
  if (missed_ || will_ask || frontend_asked_ || asked_ || same_connection_) return;
  missed_ = true;
  events.Raise(FindingCode::kConfigNotSeen);
}

void ConfigQuery::Asked(int64_t now_ns) {
  again_ = false;
  asked_ = true;
  outstanding_ = true;
  passed_over_ = false;
  failed_ = false;
  asked_ns_ = now_ns;
  oldest_since_ns_ = 0;
}

void ConfigQuery::BecameOldest(int64_t now_ns) {
  if (outstanding_ && oldest_since_ns_ == 0) oldest_since_ns_ = now_ns;
}

void ConfigQuery::PassedOver(int64_t now_ns, const EventWriter& events) {
  if (!outstanding_ || passed_over_) return;
  passed_over_ = true;
  if (!failed_) Fail(now_ns - asked_ns_, events);
}

bool ConfigQuery::Answered(const vhost::MessageView& reply, size_t fd_count, bool ours, int64_t duration_ns,
                           const EventWriter& events) {
  if (ours) outstanding_ = false;
  const ConfigAnswer answer = ReadConfigAnswer(reply, fd_count);
  if (const auto* cause = std::get_if<state::Cause>(&answer)) {
    events.Publish(state::QueryDone{duration_ns, true});
    events.Publish(MalformedConfigFinding(*cause));
    return false;
  }
  const auto& config = std::get<vhost::ShmemConfigReply>(answer);
  events.Publish(state::QueryDone{duration_ns, false});
  std::optional<PreviousConfig> previous;
  if (reply_) previous = PreviousConfig{*reply_, same_connection_};
  const ConfigContext context{.source = ours ? state::ConfigSource::kAsked : state::ConfigSource::kSeen,
                              .page_size = events.options().page_size,
                              .now_ns = base::WallNanos()};
  for (const state::EventBody& event : ReadConfig(config, previous, context)) events.Publish(event);
  events.Close(FindingCode::kConfigNotSeen);
  reply_ = config;
  same_connection_ = true;
  return true;
}

int64_t ConfigQuery::NextDeadline(const TrackerOptions& options) const {
  if (options.query != state::Query::kInject) return kNever;
  if (outstanding_) {
    const bool counts = oldest_since_ns_ != 0 && !failed_ && !passed_over_;
    return counts ? oldest_since_ns_ + options.query_timeout_ns : kNever;
  }
  return due_at_ns_ != 0 && !due_ && !asked_ && !frontend_asked_ ? due_at_ns_ : kNever;
}

void ConfigQuery::OnDeadline(int64_t now_ns, const EventWriter& events) {
  if (now_ns < NextDeadline(events.options())) return;
  if (!outstanding_) {
    due_ = true;
    return;
  }
  Fail(now_ns - asked_ns_, events);
}

void ConfigQuery::BackendEnded(bool frontend_waits, const EventWriter& events) {
  if (frontend_waits || (outstanding_ && !failed_)) Fail(0, events);
}

void ConfigQuery::Fail(int64_t duration_ns, const EventWriter& events) {
  failed_ = true;
  events.Publish(state::QueryDone{std::max<int64_t>(duration_ns, 0), true});
  events.Raise(FindingCode::kShmemAdvertisedNoConfig, {{{EvidenceKey::kMessageId, kId}}});
}

}  // namespace shmemd::session
