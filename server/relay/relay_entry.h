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
#include "server/net/backoff.h"
#include "server/net/event_loop.h"
#include "server/net/fd_closer.h"
#include "server/net/unix_listener.h"
#include "server/relay/relay_config.h"
#include "server/relay/relay_session.h"
#include "server/state/event_sink.h"

namespace shmemd::relay {

class RelayEntry;

// Told by entries that were retired or replaced while a session lived.
class EntryObserver {
 public:
  virtual ~EntryObserver() = default;
  // The session is over. A call from the loop; may destroy the entry.
  virtual void OnEntryOver(RelayEntry& entry) = 0;
};

// What the entries of a loop share; all of it outlives them.
struct EntryContext {
  net::EventLoop& loop;
  net::FdCloser& closer;
  feed::Publisher& publisher;
  const RelayConfig& config;
  std::minstd_rand& random;  // for jitter
  EntryObserver& observer;
};

// The sockets that an entry listens at, and what passes to the entry that takes its place.
struct EntrySockets {
  std::optional<net::UnixListener> frontend;
  std::optional<net::UnixListener> backend;
  base::UniqueFd idle_backend = {};  // connected, waits for its front-end
};

class RelayEntry final : state::EventSink, RelaySession::Observer {
 public:
  using RefreshDone = std::function<void(feed::CommandResult)>;

  // Opens the sockets that this entry listens at; an error names the path. The back-end is attached to the
  // publisher.
  static absl::StatusOr<std::unique_ptr<RelayEntry>> Open(const EntryContext& context,
                                                          state::BackendSpec spec);
  // With the sockets of `spec` open already.
  RelayEntry(const EntryContext& context, EntrySockets sockets, state::BackendSpec spec);
  ~RelayEntry() override;

  absl::Status Start();
  // Ends the session and publishes why. Nothing is tried again; a refresh ends with `why`, kShuttingDown or
  // kBackendNotFound.
  void Stop(feed::CommandFailure why);

  // Whether a session lives, so that the entry can only be retired or replaced, not taken away.
  bool in_session() const { return session_ != nullptr && !over_timer_; }
  // No more sessions: its listening sockets are closed and removed. The one that lives goes on as it is, and
  // is shown DETACHING; the observer is told when it is over.
  void Retire();
  // Takes that back, and listens again. On error it stays retired.
  absl::Status Stay();
  // `spec` holds from the next session on; its sockets are opened at once, those that it has no use for are
  // closed. On error everything stays as it is. Where no session lives the caller goes on with Successor;
  // else the observer is told when to.
  absl::Status Replace(state::BackendSpec spec);
  // After Replace: what the entry that takes its place is made of. Only to be destroyed afterwards.
  state::BackendSpec TakeSuccessor(EntrySockets& sockets);

  // Asks GET_SHMEM_CONFIG again on the session that stands. `done` is called once.
  void Refresh(RefreshDone done);

  const state::BackendSpec& spec() const { return table().spec(); }
  // What holds from the next session on.
  const state::BackendSpec& wanted() const { return successor_ ? *successor_ : spec(); }
  bool replaced() const { return successor_.has_value(); }
  bool retired() const { return retired_; }
  state::BackendHandle handle() const { return backend_; }

 private:
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
  absl::Status WatchListeners();
  void UnwatchListeners();
  // Listens where `spec` says and nowhere else. On error, but for one of the event loop, nothing has changed.
  absl::Status ListenAs(const state::BackendSpec& spec);
  void ShowRetired(const state::Cause& cause);
  // The state as it would be shown if it were not retired.
  state::BackendState true_state() const;
  void Unretire();
  void CompleteRefresh(feed::CommandFailure failure, std::string message);
  void Cancel(std::optional<net::EventLoop::TimerId>& timer);

  const EntryContext context_;
  EntrySockets sockets_;
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
  net::Backoff backoff_;
  int64_t session_since_ns_ = 0;
  std::optional<net::EventLoop::TimerId> step_timer_;
  std::optional<net::EventLoop::TimerId> over_timer_;
  std::optional<net::EventLoop::TimerId> traffic_timer_;
  std::optional<net::EventLoop::TimerId> refresh_timer_;
  RefreshDone refresh_done_;
  bool retired_ = false;
  state::StateChanged hidden_state_;             // while retired: what is not shown
  std::optional<state::BackendSpec> successor_;  // replaced: by what
};

}  // namespace shmemd::relay
