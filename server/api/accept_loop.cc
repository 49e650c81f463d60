#include "server/api/accept_loop.h"

#include <absl/strings/str_cat.h>
#include <arpa/inet.h>
#include <malloc.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <algorithm>
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
constexpr size_t kMaxSilent = 256;
constexpr int kAcceptAtOnce = 64;
constexpr int64_t kTrimAfterNs = 2'000'000'000;

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

grpc::Status TooManyConnections(const std::string& name, const std::string& whose, size_t limit) {
  return WithRetry(Error(grpc::StatusCode::RESOURCE_EXHAUSTED, Reason::kTooManyConnections,
                         absl::StrCat(name, ": expected at most ", limit, " connections ", whose,
                                      " (limits.max_connections)"),
                         {{"limit", absl::StrCat(limit)}, {"listener", name}}),
                   kRetryWhenFullNs);
}

// Without the port.
std::string AddressOf(int connection) {
  sockaddr_storage address{};
  socklen_t size = sizeof(address);
  char text[INET6_ADDRSTRLEN] = "?";
  if (getpeername(connection, reinterpret_cast<sockaddr*>(&address), &size) != 0) return text;
  const bool v6 = address.ss_family == AF_INET6;
  const void* host = v6 ? static_cast<const void*>(&reinterpret_cast<sockaddr_in6*>(&address)->sin6_addr)
                        : &reinterpret_cast<sockaddr_in*>(&address)->sin_addr;
  inet_ntop(address.ss_family, host, text, sizeof(text));
  return text;
}

bool IsLoopback(const std::string& address) {
  return address.starts_with("127.") || address.starts_with("::ffff:127.") || address == "::1";
}

// The relay needs descriptors, too: API clients leave it the last quarter.
bool IsReserved(int descriptor) {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return false;
  return static_cast<rlim_t>(descriptor) >= limit.rlim_cur - limit.rlim_cur / 4;
}

enum class First { kSilent, kSpeaks, kGone };

First LookAt(int connection) {
  char byte = 0;
  const ssize_t got = recv(connection, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  if (got > 0) return First::kSpeaks;
  return got < 0 && (errno == EAGAIN || errno == EINTR) ? First::kSilent : First::kGone;
}

}  // namespace

AcceptLoop::AcceptLoop(std::chrono::milliseconds first_byte, LimitedLog& log)
    : first_byte_(first_byte),
      log_(log),
      stop_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)),
      overload_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {}

AcceptLoop::~AcceptLoop() { Stop(); }

void AcceptLoop::Add(ListenSocket socket, Acceptor acceptor) {
  ListenerConnections connections(socket.max_connections);
  listeners_.push_back({std::move(socket), std::move(acceptor), std::move(connections)});
}

void AcceptLoop::Start() {
  thread_ = std::thread([this] { Run(); });
}

void AcceptLoop::Stop() {
  if (!thread_.joinable()) return;
  eventfd_write(stop_.get(), 1);
  thread_.join();
  silent_.clear();
}

void AcceptLoop::EndFloods() { eventfd_write(overload_.get(), 1); }

void AcceptLoop::Run() {
  base::NameThisThread("accept");
  bool room = true;
  std::vector<pollfd> waits;
  while (true) {
    waits.assign({{stop_.get(), POLLIN, 0}, {overload_.get(), POLLIN, 0}});
    const size_t first = waits.size();
    for (const Listener& listener : listeners_) {
      waits.push_back({room ? listener.socket.fd : -1, POLLIN, 0});
    }
    for (const Silent& client : silent_) waits.push_back({client.connection.get(), POLLIN, 0});
    refused_.AppendWaits(waits);
    poll(waits.data(), waits.size(), room ? TimeoutMs(base::MonotonicNanos()) : kBackOffMs);
    if (waits[0].revents != 0) return;
    if (waits[1].revents != 0) EndFloodsNow();
    refused_.Advance(base::MonotonicNanos());
    HandOverThoseThatSpeak();
    TrimMemory(base::MonotonicNanos());
    room = true;
    for (size_t i = 0; i < listeners_.size(); ++i) {
      if (waits[first + i].revents != 0 && !AcceptSome(i)) room = false;
    }
  }
}

int AcceptLoop::TimeoutMs(int64_t now_ns) const {
  int least_ms = refused_.TimeoutMs(now_ns);
  const auto until = [&](int64_t deadline_ns) {
    const int ms = static_cast<int>(std::max<int64_t>(deadline_ns - now_ns, 0) / 1'000'000) + 1;
    least_ms = least_ms < 0 ? ms : std::min(least_ms, ms);
  };
  if (!silent_.empty()) until(silent_.front().deadline_ns);
  if (trim_at_ns_ != 0) until(trim_at_ns_);
  return least_ms;
}

bool AcceptLoop::AcceptSome(size_t index) {
  for (int i = 0; i < kAcceptAtOnce; ++i) {
    base::UniqueFd connection(
        accept4(listeners_[index].socket.fd, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (!connection.is_open()) {
      return errno != EMFILE && errno != ENFILE && errno != ENOBUFS && errno != ENOMEM;
    }
    Receive(index, std::move(connection));
  }
  return true;
}

void AcceptLoop::Receive(size_t index, base::UniqueFd connection) {
  const Listener& listener = listeners_[index];
  if (IsReserved(connection.get())) {
    return log_.Warn(absl::StrCat("closed a connection on ", listener.socket.name, ": descriptor ",
                                  connection.get(), " is in the last quarter of RLIMIT_NOFILE"));
  }
  Silent client;
  if (const grpc::Status why = Identify(listener, connection.get(), client.peer); !why.ok()) {
    return Refuse(listener, std::move(connection), why);
  }
  client.connection = std::move(connection);
  client.listener = index;
  client.deadline_ns = base::MonotonicNanos() + std::chrono::nanoseconds(first_byte_).count();
  const First first = LookAt(client.connection.get());
  if (first == First::kGone) return;
  if (first == First::kSpeaks) return HandOver(std::move(client));
  // A flood of silent ones pushes out its own kind: whoever wants something says so at once.
  if (silent_.size() >= kMaxSilent) silent_.pop_front();
  silent_.push_back(std::move(client));
}

grpc::Status AcceptLoop::Identify(const Listener& listener, int connection, std::string& peer) const {
  if (IsTcp(connection)) {
    const std::string address = AddressOf(connection);
    peer = IsLoopback(address) ? "" : address;  // on this host it says nothing: everybody has it
    return grpc::Status::OK;
  }
  const absl::StatusOr<PeerCredentials> credentials =
      CredentialsOf(connection, !listener.socket.peers.gids.empty());
  if (!credentials.ok()) return {grpc::StatusCode::INTERNAL, std::string(credentials.status().message())};
  peer = absl::StrCat("uid ", credentials->uid);
  return listener.socket.peers.Admits(*credentials) ? grpc::Status::OK
                                                    : PeerNotAllowed(listener.socket.name, *credentials);
}

void AcceptLoop::HandOverThoseThatSpeak() {
  const int64_t now_ns = base::MonotonicNanos();
  for (auto it = silent_.begin(); it != silent_.end();) {
    const auto client = it++;
    const First first = LookAt(client->connection.get());
    if (first == First::kSilent && now_ns < client->deadline_ns) continue;
    if (first == First::kSpeaks) HandOver(std::move(*client));
    silent_.erase(client);
  }
}

void AcceptLoop::HandOver(Silent client) {
  Listener& listener = listeners_[client.listener];
  using Answer = ListenerConnections::Answer;
  ListenerConnections& connections = listener.connections;
  const Answer answer = connections.Admit(client.connection.get(), client.peer, base::MonotonicNanos());
  if (answer != Answer::kAdmitted) {
    return Refuse(
        listener, std::move(client.connection),
        answer == Answer::kFull
            ? TooManyConnections(listener.socket.name, "in all", connections.limit())
            : TooManyConnections(listener.socket.name, "of " + client.peer, connections.peer_limit()));
  }
  if (IsTcp(client.connection.get())) {
    const int on = 1;
    setsockopt(client.connection.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  }
  grpc::experimental::ExternalConnectionAcceptor::NewConnectionParameters parameters;
  parameters.listener_fd = listener.socket.fd;
  parameters.fd = client.connection.release();
  listener.acceptor->HandleNewConnection(&parameters);
}

void AcceptLoop::Refuse(const Listener& listener, base::UniqueFd connection, const grpc::Status& why) {
  log_.Warn(absl::StrCat("refused a connection on ", listener.socket.name, ": ", why.error_message()));
  // Who speaks TLS cannot be told before a handshake, and that is what a refusal should save.
  if (!listener.socket.tls) refused_.Take(std::move(connection), why, base::MonotonicNanos());
}

// The C library keeps what thousands of calls have freed, in pieces, for those that will not come again.
void AcceptLoop::TrimMemory(int64_t now_ns) {
  if (trim_at_ns_ == 0 || now_ns < trim_at_ns_) return;
  trim_at_ns_ = 0;
  malloc_trim(0);
}

void AcceptLoop::EndFloodsNow() {
  eventfd_t ignored = 0;
  eventfd_read(overload_.get(), &ignored);
  trim_at_ns_ = base::MonotonicNanos() + kTrimAfterNs;
  for (Listener& listener : listeners_) {
    const size_t ended = listener.connections.EndFloods();
    if (ended == 0) continue;
    log_.Warn(absl::StrCat("ended ", ended, " connections on ", listener.socket.name,
                           " that sent calls faster than they could be answered"));
  }
}

}  // namespace shmemd::api
