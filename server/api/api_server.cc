#include "server/api/api_server.h"

#include <absl/strings/str_cat.h>
#include <sys/stat.h>

#include <cerrno>
#include <utility>

#include "server/api/admin_service.h"
#include "server/api/call_counter.h"
#include "server/base/posix_error.h"

namespace shmemd::api {
namespace {

constexpr mode_t kDirectoryMode = 0750;

// Makes the directories that a path goes through and that are missing.
absl::Status MakeParents(const std::string& path) {
  for (size_t slash = path.find('/', 1); slash != std::string::npos; slash = path.find('/', slash + 1)) {
    const std::string directory = path.substr(0, slash);
    if (mkdir(directory.c_str(), kDirectoryMode) == 0 || errno == EEXIST || errno == EROFS) continue;
    return base::PosixError(errno, absl::StrCat("make directory ", directory));
  }
  return absl::OkStatus();
}

absl::StatusOr<bool> ListenNeedsTls(const ApiConfig& config) {
  const absl::StatusOr<bool> loopback = TcpListener::IsLoopback("api.listen", config.listen);
  if (!loopback.ok()) return loopback.status();
  return config.listen_tls || !*loopback;
}

absl::Status NoTls(const char* setting, const std::string& address, const char* why) {
  return absl::InvalidArgumentError(
      absl::StrCat(setting, ": ", address, why, " needs tls.certificate, tls.key and tls.client_ca"));
}

}  // namespace

ApiServer::ApiServer(ApiConfig config, const ReplicaReader& reader, feed::Control& frontend,
                     feed::Control* relay, BackendRoster* roster)
    : config_(std::move(config)),
      inspector_(reader, config_.facts, findings_),
      watch_feed_(reader, config_.watch),
      call_stats_(MethodsOf(RoleServer::ServiceNames())),
      read_server_(inspector_, watch_feed_, config_.watch.max_watchers - config_.watch.reserve(),
                   std::make_unique<AdminRefusal>(config_.admin_socket.path), call_stats_,
                   {"api.listen_identities", config_.listen_identities}, config_.limits, config_.log),
      admin_server_(inspector_, watch_feed_, config_.watch.max_watchers,
                    std::make_unique<AdminService>(reader, CommandRouter(reader, frontend, relay), roster),
                    call_stats_, {"api.admin_listen_identities", config_.admin_listen_identities},
                    config_.limits, config_.log) {}

ApiServer::~ApiServer() { Shutdown(std::chrono::milliseconds::zero()); }

absl::Status ApiServer::Check(const ApiConfig& config) {
  if (!config.listen.empty()) {
    const absl::StatusOr<bool> tls = ListenNeedsTls(config);
    if (!tls.ok()) return tls.status();
    if (!*tls && !config.listen_identities.admits_anybody()) {
      return absl::InvalidArgumentError(
          absl::StrCat("api.listen_identities: api.listen ", config.listen,
                       " is served without TLS, where clients have no identities; set api.listen_tls to on"));
    }
    if (*tls && !config.tls) {
      return NoTls(
          "api.listen", config.listen,
          config.listen_tls ? "" : " is no loopback address, and only those are served without TLS; it");
    }
  }
  if (!config.admin_listen.empty()) {
    const absl::StatusOr<bool> loopback = TcpListener::IsLoopback("api.admin_listen", config.admin_listen);
    if (!loopback.ok()) return loopback.status();
    if (!config.tls) return NoTls("api.admin_listen", config.admin_listen, "");
    if (config.admin_listen_identities.empty()) {
      return absl::InvalidArgumentError(
          "api.admin_listen: api.admin_listen_identities names nobody who may change things; \"*\" is "
          "everybody "
          "whose certificate tls.client_ca signed");
    }
  }
  return config.tls ? CertificateStore::Check(config.tls->files) : absl::OkStatus();
}

absl::Status ApiServer::Start() {
  absl::Status status = Check(config_);
  std::vector<ListenSocket> read_listeners;
  std::vector<ListenSocket> admin_listeners;
  if (status.ok()) status = OpenListeners(read_listeners, admin_listeners);
  if (status.ok() && !read_listeners.empty()) {
    status = read_server_.Start(std::move(read_listeners), certificates_.get());
  }
  if (status.ok() && !admin_listeners.empty()) {
    status = admin_server_.Start(std::move(admin_listeners), certificates_.get());
  }
  if (!status.ok()) Shutdown(std::chrono::milliseconds::zero());
  return status;
}

absl::Status ApiServer::OpenListeners(std::vector<ListenSocket>& read, std::vector<ListenSocket>& admin) {
  if (config_.tls) {
    auto store = CertificateStore::Open(config_.tls->files, config_.tls->refresh, findings_, config_.log);
    if (!store.ok()) return store.status();
    certificates_ = *std::move(store);
  }
  absl::Status status = OpenSocket("api.socket", config_.socket, read);
  if (status.ok()) status = OpenSocket("api.admin_socket", config_.admin_socket, admin);
  if (status.ok()) status = OpenPort("api.listen", config_.listen, listen_has_tls(), port_, read);
  if (status.ok()) status = OpenPort("api.admin_listen", config_.admin_listen, true, admin_port_, admin);
  return status;
}

absl::Status ApiServer::OpenSocket(const std::string& name, const SocketConfig& socket,
                                   std::vector<ListenSocket>& listeners) {
  if (socket.path.empty()) return absl::OkStatus();
  if (absl::Status status = MakeParents(socket.path); !status.ok()) return status;
  net::ListenOptions options;
  options.mode = socket.mode;
  options.owner = socket.owner;
  options.group = socket.group;
  absl::StatusOr<net::UnixListener> listener = net::UnixListener::Listen(socket.path, options);
  if (!listener.ok()) return listener.status();
  listeners.push_back({listener->fd(), name, false, socket.peers, config_.limits.max_connections});
  sockets_.push_back(*std::move(listener));
  return absl::OkStatus();
}

absl::Status ApiServer::OpenPort(const std::string& name, const std::string& address, bool tls,
                                 std::optional<TcpListener>& port, std::vector<ListenSocket>& listeners) {
  if (address.empty()) return absl::OkStatus();
  absl::StatusOr<TcpListener> listener = TcpListener::Listen(name, address);
  if (!listener.ok()) return listener.status();
  port.emplace(*std::move(listener));
  listeners.push_back({port->fd(), name, tls, {}, config_.limits.max_connections});
  return absl::OkStatus();
}

std::string ApiServer::listen_address() const { return port_ ? port_->address() : std::string(); }

std::string ApiServer::admin_listen_address() const {
  return admin_port_ ? admin_port_->address() : std::string();
}

bool ApiServer::listen_has_tls() const { return ListenNeedsTls(config_).value_or(true); }

std::vector<CertificateStore::Expiry> ApiServer::certificate_expiries() const {
  return certificates_ == nullptr ? std::vector<CertificateStore::Expiry>() : certificates_->expiries();
}

void ApiServer::Shutdown(std::chrono::milliseconds grace) {
  const auto deadline = std::chrono::system_clock::now() + grace;
  read_server_.MarkNotServing();
  admin_server_.MarkNotServing();
  watch_feed_.End();
  read_server_.StopAdmitting();
  admin_server_.StopAdmitting();
  // Whoever connects from now on is to be told so, and not to wait in a backlog.
  port_.reset();
  admin_port_.reset();
  read_server_.Shutdown(deadline);
  admin_server_.Shutdown(deadline);
  sockets_.clear();
}

}  // namespace shmemd::api
