#include "server/relay/relay_entry.h"

#include <absl/strings/str_cat.h>
#include <sys/stat.h>

#include <algorithm>
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
// A session that lasted this many first pauses was a good one: the pauses start anew.
constexpr int64_t kGoodPauses = 10;
constexpr int kMostDoublings = 16;
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

absl::StatusOr<std::optional<net::UnixListener>> ListenIf(state::SocketRole role, const std::string& path,
                                                          const state::BackendSpec& spec) {
  if (role != state::SocketRole::kListen) return std::optional<net::UnixListener>();
  net::ListenOptions options;
  options.mode = static_cast<mode_t>(spec.socket_mode);
  if (spec.socket_owner >= 0) options.owner = static_cast<uid_t>(spec.socket_owner);
  options.group =
      spec.socket_group >= 0 ? std::optional(static_cast<gid_t>(spec.socket_group)) : GroupOfDirectory(path);
  absl::StatusOr<net::UnixListener> listener = net::UnixListener::Listen(path, options);
  if (!listener.ok()) {
    return absl::Status(listener.status().code(),
                        absl::StrCat("back-end ", spec.id, ": ", listener.status().message()));
  }
  return std::optional<net::UnixListener>(*std::move(listener));
}

}  // namespace

absl::StatusOr<std::unique_ptr<RelayEntry>> RelayEntry::Open(const EntryContext& context,
                                                             state::BackendSpec spec) {
  auto frontend = ListenIf(spec.frontend_role, spec.frontend_socket, spec);
  if (!frontend.ok()) return frontend.status();
  auto backend = ListenIf(spec.backend_role, spec.backend_socket, spec);
  if (!backend.ok()) return backend.status();
  return std::unique_ptr<RelayEntry>(
      new RelayEntry(context, *std::move(frontend), *std::move(backend), std::move(spec)));
}

RelayEntry::RelayEntry(const EntryContext& context, std::optional<net::UnixListener> frontend_listener,
                       std::optional<net::UnixListener> backend_listener, state::BackendSpec spec)
    : context_(context),
      frontend_listener_(std::move(frontend_listener)),
      backend_listener_(std::move(backend_listener)),
      backend_(context.publisher.Attach(std::move(spec))) {}

RelayEntry::~RelayEntry() { Rest(); }

absl::Status RelayEntry::Start() {
  if (frontend_listener_) {
    auto watch = context_.loop.Watch(frontend_listener_->fd(), [this] { FrontendListens(); });
    if (!watch.ok()) return watch.status();
    frontend_watch_ = *watch;
  }
  if (backend_listener_) {
    auto watch = context_.loop.Watch(backend_listener_->fd(), [this] {
      if (!session_ && !idle_backend_.is_open()) GetBackend();
    });
    if (!watch.ok()) return watch.status();
    backend_watch_ = *watch;
  }
  GetBackend();
  return absl::OkStatus();
}

void RelayEntry::Publish(const state::EventBody& body) {
  context_.publisher.Publish(backend_, body);
  if (const auto* done = std::get_if<state::QueryDone>(&body)) {
    CompleteRefresh(
        done->failed ? feed::CommandFailure::kBackendUnreachable : feed::CommandFailure::kNone,
        done->failed ? absl::StrCat("back-end ", spec().id, ": GET_SHMEM_CONFIG was not answered") : "");
  }
}

const state::Backend& RelayEntry::table() const { return *context_.publisher.Find(backend_); }

void RelayEntry::GetBackend() {
  Cancel(step_timer_);
  if (backend_listener_) {
    base::UniqueFd backend = backend_listener_->Accept(true);
    if (backend.is_open()) return TakeBackend(std::move(backend));
    NoBackend({.reason = StateReason::kSocketMissing});
    // It waits and could not be had, e.g. for want of a descriptor; no edge tells when it can.
    if (net::Readable(backend_listener_->fd())) TryAgainLater(&RelayEntry::GetBackend);
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
  if (frontend_listener_) {
    base::UniqueFd frontend = frontend_listener_->Accept(true);
    if (frontend.is_open()) return BeginSession(std::move(frontend));
    if (net::Readable(frontend_listener_->fd())) TryAgainLater(&RelayEntry::GetFrontend);
    return;
  }
  net::ConnectAttempt attempt = net::TryConnect(spec().frontend_socket);
  if (attempt.socket.is_open()) return BeginSession(std::move(attempt.socket));
  TryAgainLater(&RelayEntry::GetFrontend);
}

void RelayEntry::FrontendListens() {
  if (session_) {
    // One that is over makes room for it in a moment.
    if (over_timer_ || !net::Readable(frontend_listener_->fd())) return;
    session_->Hurry();
    Publish(state::FindingRaised{state::FindingCode::kSecondFrontend, state::kWholeBackend, {}});
    return;
  }
  if (!idle_backend_.is_open() && !over_timer_) GetBackend();
  if (idle_backend_.is_open()) GetFrontend();
}

// on_backend_missing: refuse. Who waits is told at once, by an end.
void RelayEntry::RefuseFrontends() {
  if (!frontend_listener_ || spec().on_backend_missing != state::OnBackendMissing::kRefuse) return;
  for (int i = 0; i < kMostRefusals && frontend_listener_->Accept(true).is_open(); ++i) {
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
    if (frontend_listener_) FrontendListens();
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
    const int64_t lasted_ns = base::MonotonicNanos() - session_since_ns_;
    if (lasted_ns < context_.config.reconnect_min_ns * kGoodPauses)
      return TryAgainLater(&RelayEntry::GetBackend);
    failed_tries_ = 0;
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

void RelayEntry::Stop() {
  const bool live = session_ && table().status().state != BackendState::kDisconnected;
  Rest();
  if (live) {
    Publish(state::Disconnected{BackendState::kDisconnected, {.reason = StateReason::kClosedByShmemd}});
  }
  CompleteRefresh(feed::CommandFailure::kShuttingDown, "shmemd is shutting down");
}

void RelayEntry::Rest() {
  for (auto* timer : {&step_timer_, &over_timer_, &traffic_timer_, &refresh_timer_}) Cancel(*timer);
  for (const net::EventLoop::WatchId watch : {frontend_watch_, backend_watch_, idle_watch_})
    context_.loop.Unwatch(watch);
  idle_backend_.reset();
  EndSession();
}

void RelayEntry::TryAgainLater(void (RelayEntry::*step)()) {
  const RelayConfig& config = context_.config;
  const int64_t doubled = config.reconnect_min_ns << std::min<uint32_t>(failed_tries_++, kMostDoublings);
  const double jitter = std::uniform_real_distribution<double>(0.8, 1.2)(context_.random);
  const auto delay_ns =
      static_cast<int64_t>(static_cast<double>(std::min(doubled, config.reconnect_max_ns)) * jitter);
  Cancel(step_timer_);
  step_timer_ = context_.loop.After(delay_ns, [this, step] {
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
