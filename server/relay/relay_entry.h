// One relayed device as it is configured: gets the back-end first, then its front-end, lets them talk, and
// starts over with a fresh back-end connection for the next front-end.
//
// Owned by the relay loop, used on its thread. One session at a time: a second front-end waits in the backlog
// of the socket and is reported (SECOND_FRONTEND). Either side may listen or connect.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <random>
#include <string>

#include "server/feed/control.h"
#include "server/feed/publisher.h"
#include "server/net/event_loop.h"
#include "server/net/fd_closer.h"
#include "server/net/unix_listener.h"
#include "server/relay/relay_config.h"
#include "server/relay/relay_session.h"
#include "server/state/event_sink.h"

namespace shmemd::relay {

// What the entries of a loop share; all of it outlives them.
struct EntryContext {
  net::EventLoop& loop;
  net::FdCloser& closer;
  feed::Publisher& publisher;
  const RelayConfig& config;
  std::minstd_rand& random;  // for jitter
};

class RelayEntry final : state::EventSink, RelaySession::Observer {
 public:
  using RefreshDone = std::function<void(feed::CommandResult)>;

  // Opens the sockets that this entry listens at; an error names the path. The back-end is attached to the
  // publisher.
  static absl::StatusOr<std::unique_ptr<RelayEntry>> Open(const EntryContext& context,
                                                          state::BackendSpec spec);
  ~RelayEntry() override;

  absl::Status Start();
  // Ends the session and publishes why. Nothing is tried again.
  void Stop();
  // Asks GET_SHMEM_CONFIG again on the session that stands. `done` is called once.
  void Refresh(RefreshDone done);

  const state::BackendSpec& spec() const { return table().spec(); }

 private:
  RelayEntry(const EntryContext& context, std::optional<net::UnixListener> frontend_listener,
             std::optional<net::UnixListener> backend_listener, state::BackendSpec spec);

  void Publish(const state::EventBody& body) override;
  const state::Backend& table() const override;
  void OnPeerEnded(session::Sender first, bool torn) override;
  void OnActivity() override;
  void OnSessionOver() override;

  void GetBackend();
  void NoBackend(const state::Cause& cause);
  void TakeBackend(base::UniqueFd backend);
  void BackendStirs();
  void GetFrontend();
  void FrontendListens();
  void RefuseFrontends();
  void BeginSession(base::UniqueFd frontend);
  void EndSession();
  void Rest();
  void TryAgainLater(void (RelayEntry::*step)());
  void CountTraffic();
  void CompleteRefresh(feed::CommandFailure failure, std::string message);
  void Cancel(std::optional<net::EventLoop::TimerId>& timer);

  const EntryContext context_;
  std::optional<net::UnixListener> frontend_listener_;
  std::optional<net::UnixListener> backend_listener_;
  const state::BackendHandle backend_;
  net::EventLoop::WatchId frontend_watch_ = net::EventLoop::kNoWatch;
  net::EventLoop::WatchId backend_watch_ = net::EventLoop::kNoWatch;
  net::EventLoop::WatchId idle_watch_ = net::EventLoop::kNoWatch;  // on `idle_backend_`
  const net::FdCloser::Tally tally_;
  base::UniqueFd idle_backend_;  // connected, waits for its front-end
  std::unique_ptr<RelaySession> session_;
  std::optional<vhost::ShmemConfigReply> previous_config_;
  state::Traffic past_traffic_{};  // of the sessions before
  state::DurationHistogram past_durations_;
  uint32_t failed_tries_ = 0;
  int64_t session_since_ns_ = 0;
  std::optional<net::EventLoop::TimerId> step_timer_;
  std::optional<net::EventLoop::TimerId> over_timer_;
  std::optional<net::EventLoop::TimerId> traffic_timer_;
  std::optional<net::EventLoop::TimerId> refresh_timer_;
  RefreshDone refresh_done_;
};

}  // namespace shmemd::relay
