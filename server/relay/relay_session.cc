#include "server/relay/relay_session.h"

#include <algorithm>
#include <utility>

#include "server/base/clock.h"
#include "server/net/fd_facts.h"
#include "server/relay/traffic_sum.h"
#include "server/vhost/codec.h"

namespace shmemd::relay {
namespace {

using session::PassingMessage;
using session::Sender;
using session::Verdict;
using vhost::FrontendRequest;

// How long a back-end may take to read the last words of a VMM that is gone. The other way round nobody is
// hurried unless another VMM waits: one that stands still may go on, and must then find what its back-end
// said last.
constexpr int64_t kLingerNs = 5'000'000'000;
constexpr size_t kMostFacts = 8;  // the regions of a memory table (specification, SET_MEM_TABLE)

bool IsMainRequest(const PassingMessage& message, FrontendRequest request) {
  return message.channel == vhost::Channel::kMain && message.sender == Sender::kFrontend &&
         message.header.request == static_cast<uint32_t>(request);
}

// Whose descriptors are looked at: those of mappings and of memory tables.
bool WantsFacts(const PassingMessage& message) {
  if (message.channel == vhost::Channel::kBackend) return message.sender == Sender::kBackend;
  return IsMainRequest(message, FrontendRequest::kSetMemTable) ||
         IsMainRequest(message, FrontendRequest::kAddMemReg);
}

std::vector<base::FdFacts> FactsOf(const PassingMessage& message, const std::vector<base::UniqueFd>& fds) {
  std::vector<base::FdFacts> facts;
  if (!WantsFacts(message)) return facts;
  for (size_t i = 0; i < std::min(fds.size(), kMostFacts); ++i)
    facts.push_back(net::ReadFdFacts(fds[i].get()));
  return facts;
}

}  // namespace

// A channel and what the session has to know about it.
class RelaySession::Line final : public Channel::Observer {
 public:
  Line(RelaySession& session, vhost::Channel kind, base::UniqueFd frontend, base::UniqueFd backend)
      : session_(session),
        kind_(kind),
        channel_(session.context_.loop, session.context_.closer, session.context_.tally, kind,
                 std::move(frontend), std::move(backend), *this) {}

  Channel& channel() { return channel_; }
  const Channel& channel() const { return channel_; }
  vhost::Channel kind() const { return kind_; }

 private:
  Verdict Judge(const PassingMessage& message, std::vector<base::UniqueFd>& fds) override {
    return session_.Judge(*this, message, fds);
  }
  void Passed(const PassingMessage& message, Verdict verdict,
              const std::vector<base::UniqueFd>& fds) override {
    session_.Passed(*this, message, verdict, fds);
  }
  void OnSenderEnded(Sender sender, const End& end) override {
    if (kind_ == vhost::Channel::kMain) session_.EndMain(sender, end);
  }
  void OnAdvanced() override { session_.OnAdvanced(); }
  void OnFinished() override { session_.OnLineFinished(*this); }

  RelaySession& session_;
  const vhost::Channel kind_;
  Channel channel_;
};

RelaySession::RelaySession(const Context& context, const session::TrackerOptions& options,
                           base::UniqueFd frontend, base::UniqueFd backend)
    : context_(context),
      tracker_(context.sink, options),
      main_(std::make_unique<Line>(*this, vhost::Channel::kMain, std::move(frontend), std::move(backend))) {}

RelaySession::~RelaySession() { Close(); }

absl::Status RelaySession::Start() { return main_->channel().Start(); }

void RelaySession::Close() {
  over_ = true;
  for (auto* timer : {&deadline_timer_, &linger_timer_, &reap_timer_}) Cancel(*timer);
  main_->channel().Close();
  for (const auto& line : backend_lines_) line->channel().Close();
}

Verdict RelaySession::Judge(const Line& line, const PassingMessage& message,
                            std::vector<base::UniqueFd>& fds) {
  // The channel before the current one: nobody follows what is left on it.
  if (line.kind() == vhost::Channel::kBackend && &line != backend_lines_.back().get())
    return Verdict::kForward;
  const Verdict verdict = tracker_.Judge(message);
  if (verdict == Verdict::kSwapBackendFd) {
    if (channels_begun_ >= kMostBackendChannels) return Verdict::kForward;
    swapped_ = SwapBackendFd(fds);
    return swapped_ ? verdict : Verdict::kForward;
  }
  // A back-end that reads no answers any more waits for none.
  const Pump& answers = line.channel().pump(Sender::kFrontend);
  if (verdict == Verdict::kRefuse && !answers.own_free() && !answers.ended()) return Verdict::kHold;
  return verdict;
}

void RelaySession::Passed(Line& line, const PassingMessage& message, Verdict verdict,
                          const std::vector<base::UniqueFd>& fds) {
  if (line.kind() == vhost::Channel::kBackend && &line != backend_lines_.back().get()) return;
  const std::vector<base::FdFacts> facts = FactsOf(message, fds);
  if (!tracker_.Passed(message, verdict, facts)) line.channel().pump(message.sender).NoteDecodeError();
  if (verdict == Verdict::kRefuse)
    line.channel().pump(Sender::kFrontend).SendOwn(session::RefusalOf(message.header));
  if (verdict == Verdict::kSwapBackendFd) BeginBackendChannel();
  if (verdict == Verdict::kForward && IsMainRequest(message, FrontendRequest::kSetBackendReqFd))
    tracker_.BackendChannelOdd(message.fd_count);
}

void RelaySession::BeginBackendChannel() {
  BackendChannelEnds ends = *std::exchange(swapped_, std::nullopt);
  auto line = std::make_unique<Line>(*this, vhost::Channel::kBackend, std::move(ends.frontend),
                                     std::move(ends.backend));
  if (!line->channel().Start().ok()) return tracker_.BackendChannelOdd(1);
  ++channels_begun_;
  if (backend_lines_.size() >= kMaxBackendChannels) {
    backend_lines_.front()->channel().Advance();
    Retire(*backend_lines_.front());
    backend_lines_.erase(backend_lines_.begin());
  }
  backend_lines_.push_back(std::move(line));
  tracker_.BackendChannelBegan();
}

void RelaySession::EndMain(Sender sender, const Channel::Observer::End& end) {
  if (sender == Sender::kFrontend && end.stuck) ArmLinger();
  if (std::exchange(peer_ended_, true)) return;
  if (sender == Sender::kFrontend) {
    frontend_ended_first_ = true;
    tracker_.FrontendEnded();
  } else {
    tracker_.BackendEnded();
  }
  context_.observer.OnPeerEnded(sender, end.torn);
}

void RelaySession::ArmLinger() {
  if (linger_timer_) return;
  linger_timer_ = context_.loop.After(kLingerNs, [this] {
    linger_timer_.reset();
    Close();
    context_.observer.OnSessionOver();
  });
}

void RelaySession::Hurry() {
  hurried_ = true;
  if (main_over_ && !over_) ArmLinger();
}

void RelaySession::OnLineFinished(Line& line) {
  if (over_) return;
  if (&line == main_.get()) {
    // Both ways broke off, and nobody's end was read. No proof that the VMM has dropped its mappings.
    if (!peer_ended_) EndMain(Sender::kBackend, {});
    return Finish();
  }
  if (!backend_lines_.empty() && &line == backend_lines_.back().get()) tracker_.BackendChannelEnded();
  if (main_over_) return Finish();
  // Not now: the line is on the stack.
  if (!reap_timer_) {
    reap_timer_ = context_.loop.After(0, [this] {
      reap_timer_.reset();
      Reap();
    });
  }
}

// Old channels go; the current one stays as a place, so that nothing older is taken for it.
void RelaySession::Reap() {
  for (size_t i = 0; i + 1 < backend_lines_.size();) {
    if (!backend_lines_[i]->channel().finished()) {
      ++i;
      continue;
    }
    Retire(*backend_lines_[i]);
    backend_lines_.erase(backend_lines_.begin() + static_cast<std::ptrdiff_t>(i));
  }
}

// The main channel is over: what whoever left said on the back-end channels is handed on, then all is closed.
void RelaySession::Finish() {
  main_over_ = true;
  for (const auto& line : backend_lines_) line->channel().Advance();
  if (over_) return;
  if (LastWordsWait()) {
    if (frontend_ended_first_ || hurried_) ArmLinger();
    return;
  }
  tracker_.SessionEnded();
  Close();
  context_.observer.OnSessionOver();
}

bool RelaySession::LastWordsWait() const {
  const Sender gone = frontend_ended_first_ ? Sender::kFrontend : Sender::kBackend;
  return std::any_of(backend_lines_.begin(), backend_lines_.end(), [&](const auto& line) {
    const PumpState state = line->channel().pump(gone).state();
    return !line->channel().finished() &&
           (state == PumpState::kBlocked || state == PumpState::kRetry || state == PumpState::kMore);
  });
}

void RelaySession::OnAdvanced() {
  if (over_) return;
  if (main_over_) return Finish();
  Ask();
  ArmDeadline();
  context_.observer.OnActivity();
}

void RelaySession::AskAgain() {
  tracker_.WantConfig();
  Ask();
}

void RelaySession::Ask() {
  Pump& to_backend = main_->channel().pump(Sender::kFrontend);
  if (peer_ended_ || !to_backend.at_boundary() || !to_backend.own_free() || !tracker_.MayAsk()) return;
  if (!to_backend.SendOwn(vhost::EncodeShmemConfigRequest())) return;
  tracker_.Asked(base::MonotonicNanos());
  main_->channel().AdvanceSoon();
}

void RelaySession::ArmDeadline() {
  const int64_t deadline_ns = tracker_.NextDeadline();
  if (deadline_ns == armed_deadline_ns_) return;
  armed_deadline_ns_ = deadline_ns;
  Cancel(deadline_timer_);
  if (deadline_ns == INT64_MAX) return;
  deadline_timer_ = context_.loop.After(deadline_ns - base::MonotonicNanos(), [this] {
    deadline_timer_.reset();
    armed_deadline_ns_ = INT64_MAX;
    tracker_.OnDeadline(base::MonotonicNanos());
    Ask();
    ArmDeadline();
  });
}

void RelaySession::Cancel(std::optional<net::EventLoop::TimerId>& timer) {
  if (timer) context_.loop.Cancel(*std::exchange(timer, std::nullopt));
}

void RelaySession::Retire(const Line& line) {
  for (const Sender sender : {Sender::kFrontend, Sender::kBackend}) {
    const Pump& pump = line.channel().pump(sender);
    Add(pump.traffic(), retired_traffic_[1][static_cast<size_t>(sender)]);
    Add(pump.durations(), retired_durations_);
  }
}

state::Traffic RelaySession::traffic() const {
  state::Traffic sum = retired_traffic_;
  for (const Sender sender : {Sender::kFrontend, Sender::kBackend}) {
    const auto index = static_cast<size_t>(sender);
    Add(main_->channel().pump(sender).traffic(), sum[0][index]);
    for (const auto& line : backend_lines_) Add(line->channel().pump(sender).traffic(), sum[1][index]);
  }
  return sum;
}

state::DurationHistogram RelaySession::durations() const {
  state::DurationHistogram sum = retired_durations_;
  for (const Sender sender : {Sender::kFrontend, Sender::kBackend}) {
    Add(main_->channel().pump(sender).durations(), sum);
    for (const auto& line : backend_lines_) Add(line->channel().pump(sender).durations(), sum);
  }
  return sum;
}

}  // namespace shmemd::relay
