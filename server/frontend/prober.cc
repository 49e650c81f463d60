#include "server/frontend/prober.h"

#include <absl/strings/str_cat.h>
#include <unistd.h>

#include <utility>

#include "server/base/clock.h"
#include "server/frontend/cause_words.h"

namespace shmemd::frontend {

Prober::Prober(net::EventLoop& loop, net::FdCloser& closer, std::string socket, const Timeouts& timeouts,
               uint64_t page_size, Done done)
    : loop_(loop),
      page_size_(page_size),
      done_(std::move(done)),
      connection_(loop, closer, socket, timeouts, static_cast<Connection::Observer&>(*this)) {
  seen_.socket = std::move(socket);
}

Prober::~Prober() {
  if (finish_timer_) loop_.Cancel(*finish_timer_);
}

void Prober::Start() {
  seen_.start_time_ns = base::WallNanos();
  start_ns_ = base::MonotonicNanos();
  connection_.Open();
}

void Prober::OnConnected(const net::PeerCredentials& /*peer*/) { connected_ = true; }

void Prober::OnFeatures(const state::Features& features) { seen_.features = features; }

void Prober::OnBackendChannel(base::UniqueFd channel) { backend_channel_ = std::move(channel); }

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
  backend_channel_.reset();
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
  Prober prober(**loop, closer, socket, timeouts, static_cast<uint64_t>(sysconf(_SC_PAGESIZE)),
                [&](absl::StatusOr<state::ProbeReport> report) { result = std::move(report); });
  prober.Start();
  while (!result) (*loop)->Turn(timeouts.query_ns);
  return *std::move(result);
}

}  // namespace shmemd::frontend
