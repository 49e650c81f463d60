#include "server/relay/relay_entry.h"

#include <absl/strings/str_cat.h>
#include <sys/stat.h>

#include <cerrno>
#include <filesystem>
#include <utility>

#include "server/base/clock.h"
#include "server/net/unix_socket.h"
#include "server/relay/traffic_sum.h"

namespace shmemd::relay {
namespace {

using session::Sender;
using state::BackendState;
using state::Cause;
using state::StateReason;

constexpr int64_t kTrafficPeriodNs = 100'000'000;
// In one turn; as many as wait at most. Whoever comes meanwhile rings again.
constexpr int kMostRefusals = 128;

state::PeerProcess PeerOf(int socket) {
  const net::PeerCredentials peer = net::ReadPeerCredentials(socket);
  return {.uid = peer.uid, .gid = peer.gid, .pid = peer.pid, .comm = peer.comm, .known = peer.known};
}

Cause CauseOf(int error_number) {
  Cause cause{.reason = StateReason::kConnectFailed, .error_number = error_number};
  if (error_number == ENOENT) cause.reason = StateReason::kSocketMissing;
  if (error_number == ECONNREFUSED) cause.reason = StateReason::kConnectionRefused;
  return cause;
}

// Who may write into the directory may connect to what lies in it.
std::optional<gid_t> GroupOfDirectory(const std::string& path) {
  struct stat facts {};
  const std::string directory = std::filesystem::path(path).parent_path().string();
  if (stat(directory.c_str(), &facts) != 0) return std::nullopt;
  return facts.st_gid;
}

absl::Status Named(const std::string& id, const absl::Status& status) {
  return absl::Status(status.code(), absl::StrCat("back-end ", id, ": ", status.message()));
}

net::ListenOptions OptionsOf(const state::BackendSpec& spec, const std::string& path) {
  net::ListenOptions options;
  options.mode = static_cast<mode_t>(spec.socket_mode);
  if (spec.socket_owner >= 0) options.owner = static_cast<uid_t>(spec.socket_owner);
  options.group =
      spec.socket_group >= 0 ? std::optional(static_cast<gid_t>(spec.socket_group)) : GroupOfDirectory(path);
  return options;
}

bool IsSamePath(const std::string& one, const std::string& other) {
  return std::filesystem::path(one).lexically_normal() == std::filesystem::path(other).lexically_normal();
}

// One side of an entry that listens there anew, goes on listening, or does not listen.
struct Side {
  state::SocketRole role;
  const std::string& path;
  std::optional<net::UnixListener>& current;
  std::optional<net::UnixListener> fresh = std::nullopt;

  bool listens() const { return role == state::SocketRole::kListen; }
  bool goes_on() const { return listens() && current && IsSamePath(current->path(), path); }
};

// Opens what is not open yet. On error nothing has changed.
absl::Status OpenFresh(Side& side, const state::BackendSpec& spec) {
  if (!side.listens() || side.goes_on()) return absl::OkStatus();
  absl::StatusOr<net::UnixListener> listener =
      net::UnixListener::Listen(side.path, OptionsOf(spec, side.path));
  if (!listener.ok()) return Named(spec.id, listener.status());
  side.fresh.emplace(*std::move(listener));
  return absl::OkStatus();
}

void Settle(Side& side) {
  if (side.goes_on()) return;
  side.current.reset();
  if (side.fresh) side.current.emplace(*std::move(side.fresh));
}

}  // namespace

absl::StatusOr<std::unique_ptr<RelayEntry>> RelayEntry::Open(const EntryContext& context,
                                                             state::BackendSpec spec) {
  EntrySockets sockets;
  Side frontend{spec.frontend_role, spec.frontend_socket, sockets.frontend};
  Side backend{spec.backend_role, spec.backend_socket, sockets.backend};
  for (Side* side : {&frontend, &backend}) {
    if (absl::Status status = OpenFresh(*side, spec); !status.ok()) return status;
    Settle(*side);
  }
  return std::make_unique<RelayEntry>(context, std::move(sockets), std::move(spec));
}

RelayEntry::RelayEntry(const EntryContext& context, EntrySockets sockets, state::BackendSpec spec)
    : context_(context),
      sockets_(std::move(sockets)),
      backend_(context.publisher.Attach(std::move(spec))),
      backoff_(context.config.reconnect_min_ns, context.config.reconnect_max_ns) {}

RelayEntry::~RelayEntry() { Rest(); }

absl::Status RelayEntry::Start() {
  if (absl::Status status = WatchListeners(); !status.ok()) return status;
  if (sockets_.idle_backend.is_open()) {
    TakeBackend(std::move(sockets_.idle_backend));
  } else {
    GetBackend();
  }
  return absl::OkStatus();
}

absl::Status RelayEntry::WatchListeners() {
  if (sockets_.frontend) {
    auto watch = context_.loop.Watch(sockets_.frontend->fd(), [this] { FrontendListens(); });
    if (!watch.ok()) return watch.status();
    frontend_watch_ = *watch;
  }
  if (sockets_.backend) {
    auto watch = context_.loop.Watch(sockets_.backend->fd(), [this] {
      if (!session_ && !idle_backend_.is_open()) GetBackend();
    });
    if (!watch.ok()) return watch.status();
    backend_watch_ = *watch;
  }
  return absl::OkStatus();
}

void RelayEntry::UnwatchListeners() {
  for (net::EventLoop::WatchId* watch : {&frontend_watch_, &backend_watch_})
    context_.loop.Unwatch(std::exchange(*watch, net::EventLoop::kNoWatch));
}

void RelayEntry::Retire() {
  if (retired_) return;
  successor_.reset();
  UnwatchListeners();
  sockets_.frontend.reset();
  sockets_.backend.reset();
  const state::BackendStatus& status = table().status();
  hidden_state_ = {status.state, status.cause};
  retired_ = true;
  ShowRetired({});
}

void RelayEntry::ShowRetired(const Cause& cause) {
  context_.publisher.Publish(backend_, state::StateChanged{BackendState::kDetaching, cause});
}

absl::Status RelayEntry::Stay() {
  if (absl::Status status = ListenAs(spec()); !status.ok()) return status;
  Unretire();
  return absl::OkStatus();
}

absl::Status RelayEntry::Replace(state::BackendSpec spec) {
  if (absl::Status status = ListenAs(spec); !status.ok()) return status;
  Unretire();
  successor_.reset();
  if (!in_session() || spec != this->spec()) successor_ = std::move(spec);
  return absl::OkStatus();
}

void RelayEntry::Unretire() {
  if (std::exchange(retired_, false)) Publish(hidden_state_);
}

state::BackendSpec RelayEntry::TakeSuccessor(EntrySockets& sockets) {
  UnwatchListeners();
  if (sockets_.frontend) sockets.frontend.emplace(*std::exchange(sockets_.frontend, std::nullopt));
  if (sockets_.backend) sockets.backend.emplace(*std::exchange(sockets_.backend, std::nullopt));
  // Some back-ends end with their one connection.
  if (idle_backend_.is_open() && successor_->backend_role == spec().backend_role &&
      IsSamePath(successor_->backend_socket, spec().backend_socket)) {
    context_.loop.Unwatch(std::exchange(idle_watch_, net::EventLoop::kNoWatch));
    sockets.idle_backend = std::move(idle_backend_);
  }
  return *std::move(successor_);
}

// Who waits in the backlog of a socket that stays is not disturbed.
absl::Status RelayEntry::ListenAs(const state::BackendSpec& spec) {
  Side frontend{spec.frontend_role, spec.frontend_socket, sockets_.frontend};
  Side backend{spec.backend_role, spec.backend_socket, sockets_.backend};
  for (Side* side : {&frontend, &backend}) {
    if (absl::Status status = OpenFresh(*side, spec); !status.ok()) return status;
  }
  for (const Side* side : {&frontend, &backend}) {
    if (!side->goes_on()) continue;
    const absl::Status status = side->current->Permit(OptionsOf(spec, side->path));
    if (status.ok()) continue;
    for (const Side* changed : {&frontend, &backend}) {
      if (changed->goes_on()) changed->current->Permit(OptionsOf(wanted(), changed->path)).IgnoreError();
    }
    return Named(spec.id, status);
  }
  UnwatchListeners();
  Settle(frontend);
  Settle(backend);
  return WatchListeners();
}

state::BackendState RelayEntry::true_state() const {
  return retired_ ? hidden_state_.state : table().status().state;
}

void RelayEntry::Publish(const state::EventBody& body) {
  const auto* change = std::get_if<state::StateChanged>(&body);
  if (retired_ && change != nullptr) {
    hidden_state_ = *change;
    return;
  }
  context_.publisher.Publish(backend_, body);
  const auto* ended = std::get_if<state::Disconnected>(&body);
  if (retired_ && ended != nullptr) {
    hidden_state_ = {ended->state, ended->cause};
    ShowRetired(ended->cause);
  }
  if (const auto* done = std::get_if<state::QueryDone>(&body)) {
    CompleteRefresh(
        done->failed ? feed::CommandFailure::kBackendUnreachable : feed::CommandFailure::kNone,
        done->failed ? absl::StrCat("back-end ", spec().id, ": GET_SHMEM_CONFIG was not answered") : "");
  }
}

const state::Backend& RelayEntry::table() const { return *context_.publisher.Find(backend_); }

void RelayEntry::GetBackend() {
  Cancel(step_timer_);
  if (sockets_.backend) {
    base::UniqueFd backend = sockets_.backend->Accept(true);
    if (backend.is_open()) return TakeBackend(std::move(backend));
    NoBackend({.reason = StateReason::kSocketMissing});
    // It waits and could not be had, e.g. for want of a descriptor; no edge tells when it can.
    if (net::Readable(sockets_.backend->fd())) TryAgainLater(&RelayEntry::GetBackend);
    return;
  }
  net::ConnectAttempt attempt = net::TryConnect(spec().backend_socket);
  if (attempt.socket.is_open()) return TakeBackend(std::move(attempt.socket));
  NoBackend(CauseOf(attempt.error_number));
  TryAgainLater(&RelayEntry::GetBackend);
}

// Why a back-end that was there went stays shown while it is not back.
void RelayEntry::NoBackend(const Cause& cause) {
  RefuseFrontends();
  const state::BackendStatus& status = table().status();
  const bool left_while_waiting = status.state == BackendState::kWaitingForFrontend;
  if (status.epoch > 0 && !left_while_waiting) return;
  const BackendState state = status.epoch > 0 ? BackendState::kDisconnected : BackendState::kConnecting;
  if (status.state == state && status.cause == cause) return;
  Publish(state::StateChanged{state, cause});
}

void RelayEntry::TakeBackend(base::UniqueFd backend) {
  auto watch = context_.loop.Watch(backend.get(), [this] { BackendStirs(); });
  if (!watch.ok()) {
    NoBackend({.reason = StateReason::kSystemError, .error_number = ENOMEM});
    return TryAgainLater(&RelayEntry::GetBackend);
  }
  idle_watch_ = *watch;
  idle_backend_ = std::move(backend);
  Publish(state::StateChanged{BackendState::kWaitingForFrontend, {}});
  GetFrontend();
}

// The back-end's socket while nobody talks on it: only its end matters. It is looked at without being read,
// what the back-end says first is for the front-end.
void RelayEntry::BackendStirs() {
  if (!idle_backend_.is_open() || !net::PeerGone(idle_backend_.get())) return;
  context_.loop.Unwatch(idle_watch_);
  idle_backend_.reset();
  NoBackend({.reason = StateReason::kClosedByBackend});
  Cancel(step_timer_);
  TryAgainLater(&RelayEntry::GetBackend);
}

void RelayEntry::GetFrontend() {
  Cancel(step_timer_);
  if (!idle_backend_.is_open()) return;
  if (sockets_.frontend) {
    base::UniqueFd frontend = sockets_.frontend->Accept(true);
    if (frontend.is_open()) return BeginSession(std::move(frontend));
    if (net::Readable(sockets_.frontend->fd())) TryAgainLater(&RelayEntry::GetFrontend);
    return;
  }
  net::ConnectAttempt attempt = net::TryConnect(spec().frontend_socket);
  if (attempt.socket.is_open()) return BeginSession(std::move(attempt.socket));
  TryAgainLater(&RelayEntry::GetFrontend);
}

void RelayEntry::FrontendListens() {
  if (session_) {
    // One that is over makes room for it in a moment.
    if (over_timer_ || !net::Readable(sockets_.frontend->fd())) return;
    session_->Hurry();
    Publish(state::FindingRaised{state::FindingCode::kSecondFrontend, state::kWholeBackend, {}});
    return;
  }
  if (!idle_backend_.is_open() && !over_timer_) GetBackend();
  if (idle_backend_.is_open()) GetFrontend();
}

// on_backend_missing: refuse. Who waits is told at once, by an end.
void RelayEntry::RefuseFrontends() {
  if (!sockets_.frontend || spec().on_backend_missing != state::OnBackendMissing::kRefuse) return;
  for (int i = 0; i < kMostRefusals && sockets_.frontend->Accept(true).is_open(); ++i) {
  }
}

void RelayEntry::BeginSession(base::UniqueFd frontend) {
  context_.loop.Unwatch(idle_watch_);
  const state::PeerProcess frontend_peer = PeerOf(frontend.get());
  Publish(state::Connected{PeerOf(idle_backend_.get())});
  Publish(state::FrontendConnected{frontend_peer});
  Publish(state::StateChanged{BackendState::kNegotiating, {}});
  const session::TrackerOptions options{.guard = spec().guard,
                                        .query = spec().query,
                                        .page_size = table().page_size(),
                                        .query_timeout_ns = context_.config.query_timeout_ns,
                                        .previous_config = previous_config_};
  const RelaySession::Context context{context_.loop, context_.closer, *this, *this, tally_};
  session_ = std::make_unique<RelaySession>(context, options, std::move(frontend), std::move(idle_backend_));
  session_since_ns_ = base::MonotonicNanos();
  if (session_->Start().ok()) {
    if (sockets_.frontend) FrontendListens();
    return;
  }
  Publish(state::Disconnected{BackendState::kFailed, {.reason = StateReason::kSystemError}});
  session_.reset();
  TryAgainLater(&RelayEntry::GetBackend);
}

void RelayEntry::OnActivity() {
  if (traffic_timer_) return;
  traffic_timer_ = context_.loop.After(kTrafficPeriodNs, [this] {
    traffic_timer_.reset();
    CountTraffic();
  });
}

void RelayEntry::CountTraffic() {
  state::Traffic traffic = past_traffic_;
  state::DurationHistogram durations = past_durations_;
  if (session_) {
    Add(session_->traffic(), traffic);
    Add(session_->durations(), durations);
  }
  const state::BackendStatus& status = table().status();
  if (status.traffic != traffic) Publish(state::TrafficCounted{traffic});
  if (status.forward_durations != durations) Publish(state::ForwardsTimed{durations});
}

void RelayEntry::OnPeerEnded(Sender first, bool torn) {
  Cause cause{.reason = StateReason::kClosedByFrontend};
  if (first == Sender::kBackend)
    cause.reason = torn ? StateReason::kClosedMidMessage : StateReason::kClosedByBackend;
  cause.message_id = session_->tracker().OldestPending(vhost::Channel::kMain);
  if (first == Sender::kFrontend) cause.message_id = 0;
  Publish(state::Disconnected{BackendState::kDisconnected, cause});
  CompleteRefresh(feed::CommandFailure::kBackendUnreachable,
                  absl::StrCat("back-end ", spec().id, ": the connection ended"));
}

// The session is on the stack: it goes in the next turn, and the next one begins.
void RelayEntry::OnSessionOver() {
  if (over_timer_) return;
  over_timer_ = context_.loop.After(0, [this] {
    over_timer_.reset();
    EndSession();
    if (retired_ || successor_) return context_.observer.OnEntryOver(*this);
    if (!backoff_.ResetIfLasted(base::MonotonicNanos() - session_since_ns_))
      return TryAgainLater(&RelayEntry::GetBackend);
    GetBackend();
  });
}

void RelayEntry::EndSession() {
  if (!session_) return;
  session_->Close();
  if (session_->tracker().config()) previous_config_ = session_->tracker().config();
  CountTraffic();
  Add(session_->traffic(), past_traffic_);
  Add(session_->durations(), past_durations_);
  session_.reset();
}

void RelayEntry::Stop(feed::CommandFailure why) {
  const bool live = session_ && true_state() != BackendState::kDisconnected;
  Rest();
  if (live) {
    Publish(state::Disconnected{BackendState::kDisconnected, {.reason = StateReason::kClosedByShmemd}});
  }
  const bool ending = why == feed::CommandFailure::kShuttingDown;
  CompleteRefresh(why,
                  ending ? "shmemd is shutting down" : absl::StrCat("back-end ", spec().id, ": detached"));
}

void RelayEntry::Rest() {
  for (auto* timer : {&step_timer_, &over_timer_, &traffic_timer_, &refresh_timer_}) Cancel(*timer);
  for (const net::EventLoop::WatchId watch : {frontend_watch_, backend_watch_, idle_watch_})
    context_.loop.Unwatch(watch);
  idle_backend_.reset();
  EndSession();
}

void RelayEntry::TryAgainLater(void (RelayEntry::*step)()) {
  Cancel(step_timer_);
  step_timer_ = context_.loop.After(backoff_.NextNs(context_.random), [this, step] {
    step_timer_.reset();
    (this->*step)();
  });
}

void RelayEntry::Refresh(RefreshDone done) {
  const auto refuse = [&](feed::CommandFailure failure, const std::string& why) {
    done({failure, absl::StrCat("back-end ", spec().id, ": ", why), std::nullopt});
  };
  if (spec().query == state::Query::kSnoop) {
    return refuse(feed::CommandFailure::kQueryNotAllowed,
                  "query is snoop: shmemd asks GET_SHMEM_CONFIG only with query: inject");
  }
  if (refresh_done_) return refuse(feed::CommandFailure::kBackendBusy, "another refresh is under way");
  if (!session_) return refuse(feed::CommandFailure::kBackendUnreachable, "no session is under way");
  refresh_done_ = std::move(done);
  // An earlier question may be without an answer, and then no other is asked.
  refresh_timer_ = context_.loop.After(2 * context_.config.query_timeout_ns, [this] {
    refresh_timer_.reset();
    CompleteRefresh(feed::CommandFailure::kBackendBusy,
                    absl::StrCat("back-end ", spec().id, ": GET_SHMEM_CONFIG could not be asked yet"));
  });
  session_->AskAgain();
}

void RelayEntry::CompleteRefresh(feed::CommandFailure failure, std::string message) {
  Cancel(refresh_timer_);
  if (RefreshDone done = std::exchange(refresh_done_, nullptr))
    done({failure, std::move(message), std::nullopt});
}

void RelayEntry::Cancel(std::optional<net::EventLoop::TimerId>& timer) {
  if (timer) context_.loop.Cancel(*std::exchange(timer, std::nullopt));
}

}  // namespace shmemd::relay
