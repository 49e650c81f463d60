#include "server/api/accept_loop.h"

#include <absl/strings/str_cat.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <cerrno>
#include <utility>

#include "server/api/errors.h"
#include "server/base/clock.h"
#include "server/base/thread_name.h"

namespace shmemd::api {
namespace {

// How long to leave the listeners alone when there is no room for another descriptor: they stay readable.
constexpr int kBackOffMs = 100;
constexpr int64_t kRetryWhenFullNs = 1'000'000'000;

bool IsTcp(int socket) {
  int domain = 0;
  socklen_t size = sizeof(domain);
  return getsockopt(socket, SOL_SOCKET, SO_DOMAIN, &domain, &size) == 0 && domain != AF_UNIX;
}

grpc::Status PeerNotAllowed(const std::string& name, const PeerCredentials& peer) {
  const std::string setting = absl::StrCat(name, "_allow_uids");
  return Error(
      grpc::StatusCode::PERMISSION_DENIED, Reason::kPeerNotAllowed,
      absl::StrCat(peer.Text(), " is neither in ", setting, " nor, by a group, in ", name, "_allow_gids"),
      {{"uid", absl::StrCat(peer.uid)}, {"gid", absl::StrCat(peer.gid)}, {"setting", setting}});
}

grpc::Status TooManyConnections(const std::string& name, size_t limit) {
  return WithRetry(Error(grpc::StatusCode::RESOURCE_EXHAUSTED, Reason::kTooManyConnections,
                         absl::StrCat(name, ": expected at most ", limit,
                                      " connections at a time (limits.max_connections)"),
                         {{"limit", absl::StrCat(limit)}, {"listener", name}}),
                   kRetryWhenFullNs);
}

}  // namespace

AcceptLoop::AcceptLoop(LimitedLog& log) : log_(log), stop_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {}

AcceptLoop::~AcceptLoop() { Stop(); }

void AcceptLoop::Add(ListenSocket socket, Acceptor acceptor) {
  ConnectionCount count(socket.max_connections);
  listeners_.push_back({std::move(socket), std::move(acceptor), std::move(count)});
}

void AcceptLoop::Start() {
  thread_ = std::thread([this] { Run(); });
}

void AcceptLoop::Stop() {
  if (!thread_.joinable()) return;
  eventfd_write(stop_.get(), 1);
  thread_.join();
}

void AcceptLoop::Run() {
  base::NameThisThread("accept");
  bool room = true;
  std::vector<pollfd> waits;
  while (true) {
    waits.assign({{stop_.get(), POLLIN, 0}});
    for (const Listener& listener : listeners_) {
      waits.push_back({room ? listener.socket.fd : -1, POLLIN, 0});
    }
    refused_.AppendWaits(waits);
    poll(waits.data(), waits.size(), room ? refused_.TimeoutMs(base::MonotonicNanos()) : kBackOffMs);
    if (waits[0].revents != 0) return;
    refused_.Advance(base::MonotonicNanos());
    room = true;
    for (size_t i = 0; i < listeners_.size(); ++i) {
      if (waits[i + 1].revents != 0 && !AcceptOne(listeners_[i])) room = false;
    }
  }
}

bool AcceptLoop::AcceptOne(Listener& listener) {
  base::UniqueFd connection(accept4(listener.socket.fd, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
  if (!connection.is_open()) {
    return errno != EMFILE && errno != ENFILE && errno != ENOBUFS && errno != ENOMEM;
  }
  if (const grpc::Status status = Judge(listener, connection.get()); !status.ok()) {
    log_.Warn(absl::StrCat("refused a connection on ", listener.socket.name, ": ", status.error_message()));
    // Who speaks TLS cannot be told before a handshake, and that is what a refusal should save.
    if (!listener.socket.tls) refused_.Take(std::move(connection), status, base::MonotonicNanos());
    return true;
  }
  if (IsTcp(connection.get())) {
    const int on = 1;
    setsockopt(connection.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  }
  grpc::experimental::ExternalConnectionAcceptor::NewConnectionParameters parameters;
  parameters.listener_fd = listener.socket.fd;
  parameters.fd = connection.release();
  listener.acceptor->HandleNewConnection(&parameters);
  return true;
}

grpc::Status AcceptLoop::Judge(Listener& listener, int connection) {
  if (!IsTcp(connection)) {
    const absl::StatusOr<PeerCredentials> peer = CredentialsOf(connection);
    if (!peer.ok()) return {grpc::StatusCode::INTERNAL, std::string(peer.status().message())};
    if (!listener.socket.peers.Admits(*peer)) return PeerNotAllowed(listener.socket.name, *peer);
  }
  if (!listener.count.Admit(connection, base::MonotonicNanos())) {
    return TooManyConnections(listener.socket.name, listener.socket.max_connections);
  }
  return grpc::Status::OK;
}

}  // namespace shmemd::api
