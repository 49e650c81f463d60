#include "server/frontend/prober.h"

#include <absl/strings/str_cat.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "server/base/clock.h"
#include "server/frontend/backend_channel.h"
#include "server/frontend/cause_words.h"

namespace shmemd::frontend {
namespace {

constexpr int kMessagesPerTurn = 16;
constexpr int64_t kRetryNs = 20'000'000;

}  // namespace

Prober::Prober(net::EventLoop& loop, net::FdCloser& closer, std::string socket, const Timeouts& timeouts,
               uint64_t page_size, Done done)
    : loop_(loop),
      page_size_(page_size),
      done_(std::move(done)),
      closer_(closer),
      connection_(loop, closer, socket, timeouts, static_cast<Connection::Observer&>(*this)) {
  seen_.socket = std::move(socket);
}

Prober::~Prober() {
  CloseChannel();
  if (finish_timer_) loop_.Cancel(*finish_timer_);
}

void Prober::Start() {
  seen_.start_time_ns = base::WallNanos();
  start_ns_ = base::MonotonicNanos();
  connection_.Open();
}

void Prober::OnConnected(const net::PeerCredentials& /*peer*/) { connected_ = true; }

void Prober::OnFeatures(const state::Features& features) { seen_.features = features; }

void Prober::OnBackendChannel(base::UniqueFd channel) {
  channel_.emplace(std::move(channel), vhost::kMaxPayloadBytes, closer_);
  const absl::StatusOr<net::EventLoop::WatchId> watch =
      loop_.Watch(channel_->fd(), [this] { OnChannelReady(); });
  if (watch.ok()) channel_watch_ = *watch;  // else it is only held open
}

void Prober::OnChannelReady() {
  const bool reply_ack = Has(seen_.features.acked_protocol, vhost::ProtocolFeature::kReplyAck);
  for (int i = 0; i < kMessagesPerTurn; ++i) {
    if (channel_->has_output() && channel_->Flush().status != net::IoStatus::kDone) return;
    MessageChannel::Received received = channel_->Receive();
    if (received.status == MessageChannel::Status::kBusy) return ChannelAfter(kRetryNs);
    if (received.status != MessageChannel::Status::kMessage) return;
    channel_->CloseFds(received.fds);
    const vhost::Header& header = received.message.header;
    if (!WantsAnswer(header, reply_ack)) continue;
    channel_->Send(
        vhost::EncodeAck(static_cast<vhost::BackendRequest>(header.request), vhost::AckErrno(EINVAL)));
  }
  ChannelAfter(0);
}

void Prober::ChannelAfter(int64_t delay_ns) {
  if (channel_timer_) return;
  channel_timer_ = loop_.After(delay_ns, [this] {
    channel_timer_.reset();
    OnChannelReady();
  });
}

void Prober::CloseChannel() {
  if (channel_timer_) loop_.Cancel(*std::exchange(channel_timer_, std::nullopt));
  loop_.Unwatch(std::exchange(channel_watch_, net::EventLoop::kNoWatch));
  channel_.reset();
}

void Prober::OnUnsupported(const state::Cause& cause) {
  seen_.failure = cause;
  FinishLater();
}

void Prober::OnAnswer(const vhost::ShmemConfigReply& reply, int64_t /*duration_ns*/) {
  seen_.answers.push_back(reply);
  if (seen_.answers.size() < 2 && connection_.Ask()) return;
  FinishLater();
}

void Prober::OnEnded(const state::Cause& cause, int64_t /*query_duration_ns*/) {
  seen_.failure = cause;
  seen_.awaited_id = connection_.awaited_id();
  Finish();
}

void Prober::FinishLater() {
  connection_.Close();
  finish_timer_ = loop_.After(0, [this] {
    finish_timer_.reset();
    Finish();
  });
}

void Prober::Finish() {
  seen_.duration_ns = base::MonotonicNanos() - start_ns_;
  CloseChannel();
  const Done done = std::move(done_);
  if (!connected_) {
    return done(
        absl::UnavailableError(absl::StrCat("probe ", seen_.socket, ": ", CauseWords(seen_.failure))));
  }
  done(MakeProbeReport(seen_, page_size_));
}

absl::StatusOr<state::ProbeReport> Probe(const std::string& socket, const Timeouts& timeouts) {
  absl::StatusOr<std::unique_ptr<net::EventLoop>> loop = net::EventLoop::Create();
  if (!loop.ok()) return loop.status();
  std::optional<absl::StatusOr<state::ProbeReport>> result;
  net::FdCloser closer;
  if (absl::Status started = closer.Start(); !started.ok()) return started;
  Prober prober(**loop, closer, socket, timeouts, static_cast<uint64_t>(sysconf(_SC_PAGESIZE)),
                [&](absl::StatusOr<state::ProbeReport> report) { result = std::move(report); });
  prober.Start();
  while (!result) (*loop)->Turn(timeouts.query_ns);
  return *std::move(result);
}

}  // namespace shmemd::frontend
