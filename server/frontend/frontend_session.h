// One attached back-end: connects to it, keeps its regions and mappings published, connects again when it
// went.
//
// Owned by the loop, used on its thread. Mode `frontend` serves the back-end channel as long as the
// connection lasts; the channel is read from the first answer to GET_SHMEM_CONFIG on, as QEMU does. A channel
// that ends takes the connection with it: the back-end could neither map nor unmap any more. Mode `probe`
// leaves after the answer and never asks again by itself; it tries to connect until it succeeded once.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <random>
#include <string>

#include "server/feed/control.h"
#include "server/feed/publisher.h"
#include "server/frontend/backend_channel.h"
#include "server/frontend/backend_windows.h"
#include "server/frontend/connection.h"
#include "server/frontend/frontend_config.h"
#include "server/net/backoff.h"
#include "server/session/config_reader.h"

namespace shmemd::frontend {

// What the sessions of a loop share; all of it outlives them.
struct SessionContext {
  net::EventLoop& loop;
  net::FdCloser& closer;
  feed::Publisher& publisher;
  MappingBudget& budget;
  const FrontendConfig& config;
  std::minstd_rand& random;  // for jitter
};

class FrontendSession final : Connection::Observer, BackendChannel::Observer {
 public:
  using RefreshDone = std::function<void(feed::CommandResult)>;

  FrontendSession(const SessionContext& context, state::BackendHandle backend);
  ~FrontendSession() override;

  void Start();
  // Ends the connection and publishes why. Nothing is tried again; a refresh ends with `why`, kShuttingDown
  // or kBackendNotFound.
  void Stop(feed::CommandFailure why);
  // Asks GET_SHMEM_CONFIG again: on the connection that stands, in mode `probe` on a new one. `done` is
  // called once, in this turn or a later one.
  void Refresh(RefreshDone done);

  const state::BackendSpec& spec() const;
  state::BackendHandle handle() const { return backend_; }
  // Whether the back-end's connection is taken by us.
  bool connected() const { return connected_; }

 private:
  void OnConnected(const net::PeerCredentials& peer) override;
  void OnFeatures(const state::Features& features) override;
  void OnBackendChannel(base::UniqueFd channel) override;
  void OnUnsupported(const state::Cause& cause) override;
  void OnAnswer(const vhost::ShmemConfigReply& reply, int64_t duration_ns) override;
  void OnEnded(const state::Cause& cause, int64_t query_duration_ns) override;
  void OnChannelEnded(const state::Cause& cause) override;

  bool probe_mode() const { return spec().mode == state::Mode::kProbe; }
  void Connect();
  void BecomeReady();
  void PublishEndFindings(const state::Cause& cause, bool asking);
  void NeverConnected(const state::Cause& cause);
  void CloseAll();
  void ScheduleReconnect();
  void CancelTimers();
  void CompleteRefresh(feed::CommandFailure failure, std::string message);
  void Publish(const state::EventBody& body) { context_.publisher.Publish(backend_, body); }

  const SessionContext context_;
  const state::BackendHandle backend_;
  BackendWindows windows_;
  std::unique_ptr<Connection> connection_;
  std::unique_ptr<BackendChannel> channel_;
  bool connected_ = false;
  bool ready_ = false;
  bool probed_once_ = false;  // mode probe: a connection was made, nothing more happens by itself
  std::optional<session::PreviousConfig> previous_;
  state::Features features_;
  net::Backoff backoff_;
  int64_t ready_since_ns_ = 0;
  std::optional<net::EventLoop::TimerId> reconnect_timer_;
  std::optional<net::EventLoop::TimerId> grace_timer_;
  std::optional<net::EventLoop::TimerId> idle_timer_;
  RefreshDone refresh_done_;
};

}  // namespace shmemd::frontend
