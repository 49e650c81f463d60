#include "server/relay/channel.h"

#include <sys/socket.h>

#include <algorithm>
#include <utility>

#include "server/net/unix_socket.h"

namespace shmemd::relay {
namespace {

using session::Sender;

constexpr int64_t kFirstRetryNs = 1'000'000;
constexpr int64_t kLastRetryNs = 100'000'000;
// Writes of a peer that are thrown away at most when its channel ends; its send buffer holds fewer.
constexpr int kMostDiscards = 16384;
// Of both directions in one turn: a peer that reads nothing and floods must not keep the thread to itself.
constexpr int kMostRounds = 8;

constexpr std::array<Sender, 2> kSenders = {Sender::kFrontend, Sender::kBackend};

Sender Other(Sender sender) { return sender == Sender::kFrontend ? Sender::kBackend : Sender::kFrontend; }

// Of a socket that was shut down, so that nothing more comes.
void Empty(int socket) {
  std::array<uint8_t, 16384> ignored;
  for (int i = 0; i < kMostDiscards; ++i) {
    if (net::Discard(socket, ignored).status != net::IoStatus::kDone) return;
  }
}

}  // namespace

Channel::Channel(net::EventLoop& loop, net::FdCloser& closer, const net::FdCloser::Tally& tally,
                 vhost::Channel kind, base::UniqueFd frontend, base::UniqueFd backend, Observer& observer)
    : loop_(loop),
      observer_(observer),
      sockets_{std::move(frontend), std::move(backend)},
      retry_ns_(kFirstRetryNs) {
  for (const Sender sender : kSenders) {
    const Pump::Route route{kind, sender, socket(sender), socket(Other(sender))};
    pumps_[static_cast<size_t>(sender)] = std::make_unique<Pump>(route, observer, closer, tally);
  }
}

Channel::~Channel() { Close(); }

absl::Status Channel::Start() {
  for (const Sender side : kSenders) {
    absl::StatusOr<net::EventLoop::WatchId> watch = loop_.Watch(socket(side), [this] { Advance(); });
    if (!watch.ok()) return watch.status();
    watches_[static_cast<size_t>(side)] = *watch;
  }
  return absl::OkStatus();
}

void Channel::Advance() {
  if (finished_ || advancing_) return;
  advancing_ = true;
  const bool more = AdvanceBoth();
  for (const Sender sender : kSenders) PassOnEnd(sender);
  const bool over = IsOver();
  if (!over) ArmTimer(more);
  observer_.OnAdvanced();
  advancing_ = false;
  if (!over || finished_) return;
  Close();
  observer_.OnFinished();
}

// A message that is held waits for one that goes the other way, and an answer of our own for its turn. True:
// what they wait for may be there, and is looked for in the next turn.
bool Channel::AdvanceBoth() {
  const auto passed = [this] {
    return pump(Sender::kFrontend).traffic().messages + pump(Sender::kBackend).traffic().messages;
  };
  uint64_t before = passed();
  for (int round = 0; round < kMostRounds; ++round) {
    for (const Sender sender : kSenders) pump(sender).Advance();
    const uint64_t after = passed();
    if (after != before) retry_ns_ = kFirstRetryNs;
    const bool waits = std::any_of(kSenders.begin(), kSenders.end(), [this](Sender sender) {
      return pump(sender).state() == PumpState::kHeld || !pump(sender).own_free();
    });
    if (after == before || !waits) return false;
    before = after;
  }
  return true;
}

void Channel::PassOnEnd(Sender sender) {
  bool& done = end_passed_on_[static_cast<size_t>(sender)];
  const Pump& direction = pump(sender);
  const bool waits_for_sink =
      direction.state() == PumpState::kBlocked || direction.state() == PumpState::kRetry;
  if (waits_for_sink && net::PeerGone(socket(sender))) TellEnd(sender, true);
  if (done || !direction.ended()) return;
  done = true;
  shutdown(socket(Other(sender)), SHUT_WR);
  if (direction.state() == PumpState::kBroken) {
    shutdown(socket(sender), SHUT_RD);  // its sender gets EPIPE, as it would without us
    return;
  }
  TellEnd(sender, false);
}

void Channel::TellEnd(Sender sender, bool stuck) {
  if (std::exchange(end_told_[static_cast<size_t>(sender)], true)) return;
  observer_.OnSenderEnded(sender, {pump(sender).torn(), stuck});
}

// One that is gone needs nothing any more, once all it said is handed on.
bool Channel::IsOver() const {
  const bool frontend_ended = pump(Sender::kFrontend).ended();
  const bool backend_ended = pump(Sender::kBackend).ended();
  if (frontend_ended && backend_ended) return true;
  return (frontend_ended && net::PeerGone(socket(Sender::kFrontend))) ||
         (backend_ended && net::PeerGone(socket(Sender::kBackend)));
}

void Channel::ArmTimer(bool more) {
  const auto any = [this](PumpState state) {
    return pump(Sender::kFrontend).state() == state || pump(Sender::kBackend).state() == state;
  };
  more |= any(PumpState::kMore);
  if (!more && !any(PumpState::kRetry)) return;
  RunAfter(more ? 0 : retry_ns_);
  if (!more) retry_ns_ = std::min(retry_ns_ * 2, kLastRetryNs);
}

void Channel::AdvanceSoon() {
  if (!finished_) RunAfter(0);
}

void Channel::RunAfter(int64_t delay_ns) {
  CancelTimer();
  timer_ = loop_.After(delay_ns, [this] {
    timer_.reset();
    Advance();
  });
}

void Channel::CancelTimer() {
  if (timer_) loop_.Cancel(*std::exchange(timer_, std::nullopt));
}

void Channel::Close() {
  if (std::exchange(finished_, true)) return;
  CancelTimer();
  for (const Sender side : kSenders) {
    loop_.Unwatch(watches_[static_cast<size_t>(side)]);
    if (socket(side) < 0) continue;
    // An end for the peer even if somebody else holds a duplicate of the socket. First, so that the peer
    // writes nothing between the emptying and the close.
    shutdown(socket(side), SHUT_RDWR);
    Empty(socket(side));
    sockets_[static_cast<size_t>(side)].reset();
  }
}

}  // namespace shmemd::relay
