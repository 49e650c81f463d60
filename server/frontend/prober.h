// Asks a back-end directly: connects as its front-end, asks GET_SHMEM_CONFIG twice, leaves, and reports. What
// the back-end asks meanwhile is refused, so that one that waits for its answer can give ours.
#pragma once

#include <absl/status/statusor.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "server/frontend/connection.h"
#include "server/frontend/frontend_config.h"
#include "server/frontend/message_channel.h"
#include "server/frontend/probe_checks.h"

namespace shmemd::frontend {

// One probe on a loop. Owned by whoever runs the loop, used on its thread.
class Prober final : Connection::Observer {
 public:
  // Unavailable, saying why, when nobody could be connected to; else a report, also of a conversation that
  // failed.
  using Done = std::function<void(absl::StatusOr<state::ProbeReport>)>;

  // `loop` and `closer` outlive the probe. `page_size` in bytes. `done` is called once, in a later turn, and
  // may destroy the probe; destroyed before, it calls nobody.
  Prober(net::EventLoop& loop, net::FdCloser& closer, std::string socket, const Timeouts& timeouts,
         uint64_t page_size, Done done);
  ~Prober() override;
  void Start();

  const std::string& socket() const { return seen_.socket; }

 private:
  void OnConnected(const net::PeerCredentials& peer) override;
  void OnFeatures(const state::Features& features) override;
  void OnBackendChannel(base::UniqueFd channel) override;
  void OnUnsupported(const state::Cause& cause) override;
  void OnAnswer(const vhost::ShmemConfigReply& reply, int64_t duration_ns) override;
  void OnEnded(const state::Cause& cause, int64_t query_duration_ns) override;
  void OnChannelReady();
  void ChannelAfter(int64_t delay_ns);
  void CloseChannel();
  void FinishLater();
  void Finish();

  net::EventLoop& loop_;
  const uint64_t page_size_;
  Done done_;
  ProbeObservation seen_;
  int64_t start_ns_ = 0;  // monotonic
  bool connected_ = false;
  net::FdCloser& closer_;
  std::optional<MessageChannel> channel_;  // the back-end channel
  net::EventLoop::WatchId channel_watch_ = net::EventLoop::kNoWatch;
  std::optional<net::EventLoop::TimerId> channel_timer_;
  std::optional<net::EventLoop::TimerId> finish_timer_;
  Connection connection_;
};

// The same without a loop of one's own: blocks until the probe is over, at most three times the time-outs
// together.
absl::StatusOr<state::ProbeReport> Probe(const std::string& socket, const Timeouts& timeouts);

}  // namespace shmemd::frontend
