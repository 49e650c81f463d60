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

}  // namespace

ApiServer::ApiServer(ApiConfig config, const ReplicaReader& reader, feed::Control& frontend,
                     feed::Control* relay, BackendRoster* roster)
    : config_(std::move(config)),
      inspector_(reader, config_.facts),
      watch_feed_(reader, config_.watch),
      call_stats_(MethodsOf(RoleServer::ServiceNames())),
      read_server_(inspector_, watch_feed_, std::make_unique<AdminRefusal>(config_.admin_socket.path),
                   call_stats_),
      admin_server_(inspector_, watch_feed_,
                    std::make_unique<AdminService>(reader, CommandRouter(reader, frontend, relay), roster),
                    call_stats_) {}

ApiServer::~ApiServer() { Shutdown(std::chrono::milliseconds::zero()); }

absl::Status ApiServer::Start() {
  std::vector<int> read_listeners;
  std::vector<int> admin_listeners;
  absl::Status status = OpenSocket(config_.socket, read_listeners);
  if (status.ok()) status = OpenSocket(config_.admin_socket, admin_listeners);
  if (status.ok() && !config_.listen.empty()) {
    absl::StatusOr<LoopbackListener> listener = LoopbackListener::Listen(config_.listen);
    status = listener.status();
    if (listener.ok()) read_listeners.push_back(loopback_.emplace(*std::move(listener)).fd());
  }
  if (status.ok() && !read_listeners.empty()) status = read_server_.Start(read_listeners);
  if (status.ok() && !admin_listeners.empty()) status = admin_server_.Start(admin_listeners);
  if (!status.ok()) Shutdown(std::chrono::milliseconds::zero());
  return status;
}

absl::Status ApiServer::OpenSocket(const SocketConfig& socket, std::vector<int>& listeners) {
  if (socket.path.empty()) return absl::OkStatus();
  if (absl::Status status = MakeParents(socket.path); !status.ok()) return status;
  net::ListenOptions options;
  options.mode = socket.mode;
  options.owner = socket.owner;
  options.group = socket.group;
  absl::StatusOr<net::UnixListener> listener = net::UnixListener::Listen(socket.path, options);
  if (!listener.ok()) return listener.status();
  listeners.push_back(listener->fd());
  sockets_.push_back(*std::move(listener));
  return absl::OkStatus();
}

std::string ApiServer::listen_address() const { return loopback_ ? loopback_->address() : std::string(); }

void ApiServer::Shutdown(std::chrono::milliseconds grace) {
  const auto deadline = std::chrono::system_clock::now() + grace;
  read_server_.MarkNotServing();
  admin_server_.MarkNotServing();
  watch_feed_.End();
  read_server_.Shutdown(deadline);
  admin_server_.Shutdown(deadline);
  loopback_.reset();
  sockets_.clear();
}

}  // namespace shmemd::api
