#include "server/frontend/connection.h"

#include <cerrno>
#include <utility>

#include "server/base/clock.h"
#include "server/session/config_answer.h"

namespace shmemd::frontend {
namespace {

using state::Cause;
using state::StateReason;

constexpr int64_t kRetryNs = 20'000'000;
constexpr int kMessagesPerTurn = 16;

uint32_t Millis(int64_t ns) { return static_cast<uint32_t>(ns / 1'000'000); }

Cause ConnectFailure(int error_number) {
  switch (error_number) {
    case ENOENT:
      return {.reason = StateReason::kSocketMissing, .error_number = error_number};
    case ECONNREFUSED:
      return {.reason = StateReason::kConnectionRefused, .error_number = error_number};
    default:
      return {.reason = StateReason::kConnectFailed, .error_number = error_number};
  }
}

}  // namespace

Connection::Connection(net::EventLoop& loop, net::FdCloser& closer, std::string path,
                       const Timeouts& timeouts, Observer& observer)
    : loop_(loop), closer_(closer), path_(std::move(path)), timeouts_(timeouts), observer_(observer) {}

Connection::~Connection() { Close(); }

void Connection::Open() {
  connect_deadline_ns_ = base::MonotonicNanos() + timeouts_.connect_ns;
  retry_timer_ = loop_.After(0, [this] { TryConnect(); });
}

// A Unix socket connects at once, or its listener's backlog is full and one has to come again.
void Connection::TryConnect() {
  retry_timer_.reset();
  net::ConnectAttempt attempt = net::TryConnect(path_);
  if (!attempt.socket.is_open()) {
    if (attempt.error_number != EAGAIN && attempt.error_number != EINTR) {
      return End(ConnectFailure(attempt.error_number));
    }
    if (base::MonotonicNanos() >= connect_deadline_ns_) {
      return End({.reason = StateReason::kConnectTimeout, .waited_ms = Millis(timeouts_.connect_ns)});
    }
    retry_timer_ = loop_.After(kRetryNs, [this] { TryConnect(); });
    return;
  }
  channel_.emplace(std::move(attempt.socket), vhost::kMaxPayloadBytes, closer_);
  absl::StatusOr<net::EventLoop::WatchId> watch = loop_.Watch(channel_->fd(), [this] { OnSocketReady(); });
  if (!watch.ok()) return End({.reason = StateReason::kSystemError, .error_number = ENOSPC});
  watch_ = *watch;
  observer_.OnConnected(net::ReadPeerCredentials(channel_->fd()));
  RunScript();
}

void Connection::OnSocketReady() {
  for (int i = 0; i < kMessagesPerTurn; ++i) {
    if (!channel_) return;
    Flush();
    if (!ReadOne()) return;
  }
  if (channel_) RetryAfter(0);
}

void Connection::RetryAfter(int64_t delay_ns) {
  if (retry_timer_) return;
  retry_timer_ = loop_.After(delay_ns, [this] {
    retry_timer_.reset();
    OnSocketReady();
  });
}

// False: nothing more for now, or ever.
bool Connection::ReadOne() {
  MessageChannel::Received received = channel_->Receive();
  if (received.status == MessageChannel::Status::kWouldBlock) return false;
  if (received.status == MessageChannel::Status::kBusy) {
    RetryAfter(kRetryNs);
    return false;
  }
  if (received.status == MessageChannel::Status::kEnded) {
    if (received.cause.message_id == 0) received.cause.message_id = awaited_id_;
    End(received.cause);
    return false;
  }
  const size_t fd_count = received.fds.size();
  channel_->CloseFds(received.fds);
  OnMessage(received.message, fd_count);
  return channel_.has_value();
}

void Connection::OnMessage(const vhost::MessageView& message, size_t fd_count) {
  if (awaited_id_ == 0) {
    // Nothing was asked, so the stream is not what we think it is.
    return End({.reason = StateReason::kProtocolError,
                .aspect = state::WireAspect::kRequestId,
                .message_id = message.header.request,
                .got = message.header.request});
  }
  Awaited();
  if (ready_) return OnRepeatedAnswer(message, fd_count);
  handshake_.OnReply(message, fd_count);
  RunScript();
}

void Connection::RunScript() {
  while (channel_) {
    Handshake::Action action = handshake_.Advance();
    const state::Features& features = handshake_.outcome().features;
    const bool decided =
        features.acked_protocol != 0 || handshake_.outcome().result != Handshake::Result::kPending;
    if (features.known && decided && !features_told_) {
      features_told_ = true;
      observer_.OnFeatures(features);
      if (!channel_) return;
    }
    switch (action.step) {
      case Handshake::Step::kSend:
        if (!SendAction(std::move(action))) return;
        break;
      case Handshake::Step::kAwait:
        return Await(action.message_id);
      case Handshake::Step::kDone:
        return Finish();
    }
  }
}

bool Connection::SendAction(Handshake::Action action) {
  base::UniqueFd theirs;
  base::UniqueFd ours;
  if (action.with_backend_channel) {
    absl::StatusOr<std::pair<base::UniqueFd, base::UniqueFd>> pair = net::ChannelPair();
    if (!pair.ok()) {
      End({.reason = StateReason::kSystemError, .message_id = action.message_id, .error_number = EMFILE});
      return false;
    }
    ours = std::move(pair->first);
    theirs = std::move(pair->second);
  }
  const net::IoResult io = channel_->Send(action.bytes, std::move(theirs));
  if (ours.is_open()) observer_.OnBackendChannel(std::move(ours));
  if (!channel_) return false;
  if (io.status == net::IoStatus::kDone || io.status == net::IoStatus::kWouldBlock) {
    Flush();
    return true;
  }
  const bool gone = io.status == net::IoStatus::kClosed;
  End({.reason = gone ? StateReason::kClosedByBackend : StateReason::kSystemError,
       .message_id = action.message_id,
       .error_number = io.error_number});
  return false;
}

void Connection::Finish() {
  const Handshake::Outcome& outcome = handshake_.outcome();
  switch (outcome.result) {
    case Handshake::Result::kReady: {
      ready_ = true;
      observer_.OnAnswer(outcome.config, base::MonotonicNanos() - std::exchange(asked_at_ns_, -1));
      return;
    }
    case Handshake::Result::kUnsupported:
      return observer_.OnUnsupported(outcome.cause);
    default:
      return End(outcome.cause);
  }
}

bool Connection::Ask() {
  if (!channel_ || !ready_ || asking()) return false;
  channel_->Send(vhost::EncodeShmemConfigRequest());
  Await(Id(vhost::FrontendRequest::kGetShmemConfig));
  RetryAfter(0);  // a failed send is told by what reading says
  return true;
}

void Connection::OnRepeatedAnswer(const vhost::MessageView& message, size_t fd_count) {
  const session::ConfigAnswer answer = session::ReadConfigAnswer(message, fd_count);
  if (const Cause* cause = std::get_if<Cause>(&answer)) return End(*cause);
  const int64_t duration_ns = base::MonotonicNanos() - std::exchange(asked_at_ns_, -1);
  observer_.OnAnswer(std::get<vhost::ShmemConfigReply>(answer), duration_ns);
}

// Output waits for room in the socket, or, where the kernel says no without promising an event, for a timer.
void Connection::Flush() {
  if (!channel_->has_output()) return;
  const net::IoResult io = channel_->Flush();
  if (io.status == net::IoStatus::kWouldBlock) RetryAfter(kRetryNs);
}

void Connection::Await(uint32_t message_id) {
  awaited_id_ = message_id;
  if (message_id == Id(vhost::FrontendRequest::kGetShmemConfig)) asked_at_ns_ = base::MonotonicNanos();
  deadline_timer_ = loop_.After(timeouts_.query_ns, [this, message_id] {
    deadline_timer_.reset();
    End({.reason = StateReason::kReplyTimeout,
         .message_id = message_id,
         .waited_ms = Millis(timeouts_.query_ns)});
  });
}

void Connection::Awaited() {
  awaited_id_ = 0;
  if (deadline_timer_) loop_.Cancel(*std::exchange(deadline_timer_, std::nullopt));
}

void Connection::Close() {
  if (deadline_timer_) loop_.Cancel(*std::exchange(deadline_timer_, std::nullopt));
  if (retry_timer_) loop_.Cancel(*std::exchange(retry_timer_, std::nullopt));
  loop_.Unwatch(std::exchange(watch_, net::EventLoop::kNoWatch));
  channel_.reset();
  ready_ = false;
}

// Told in a turn of its own, so that nobody is called back in the middle of a call.
void Connection::End(const Cause& cause) {
  const int64_t duration_ns = asking() ? base::MonotonicNanos() - std::exchange(asked_at_ns_, -1) : -1;
  Close();
  retry_timer_ = loop_.After(0, [this, cause, duration_ns] {
    retry_timer_.reset();
    const state::Features& features = handshake_.outcome().features;
    if (features.known && !std::exchange(features_told_, true)) observer_.OnFeatures(features);
    observer_.OnEnded(cause, duration_ns);
  });
}

}  // namespace shmemd::frontend
