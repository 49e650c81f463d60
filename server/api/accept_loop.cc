#include "server/api/accept_loop.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <cerrno>
#include <utility>

#include "server/base/thread_name.h"

namespace shmemd::api {
namespace {

// How long to leave the listeners alone when there is no room for another descriptor: they stay readable.
constexpr int kBackOffMs = 100;

bool IsTcp(int socket) {
  int domain = 0;
  socklen_t size = sizeof(domain);
  return getsockopt(socket, SOL_SOCKET, SO_DOMAIN, &domain, &size) == 0 && domain != AF_UNIX;
}

}  // namespace

AcceptLoop::AcceptLoop(std::unique_ptr<grpc::experimental::ExternalConnectionAcceptor> acceptor,
                       std::vector<int> listeners)
    : acceptor_(std::move(acceptor)),
      listeners_(std::move(listeners)),
      stop_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {}

AcceptLoop::~AcceptLoop() { Stop(); }

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
  std::vector<pollfd> waiting{{stop_.get(), POLLIN, 0}};
  for (int listener : listeners_) waiting.push_back({listener, POLLIN, 0});
  bool room = true;
  while (true) {
    poll(waiting.data(), room ? waiting.size() : 1, room ? -1 : kBackOffMs);
    if (waiting[0].revents != 0) return;
    room = true;
    for (size_t i = 1; i < waiting.size(); ++i) {
      if (!AcceptOne(waiting[i].fd)) room = false;
    }
  }
}

bool AcceptLoop::AcceptOne(int listener) {
  base::UniqueFd connection(accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
  if (!connection.is_open()) {
    return errno != EMFILE && errno != ENFILE && errno != ENOBUFS && errno != ENOMEM;
  }
  if (IsTcp(connection.get())) {
    const int on = 1;
    setsockopt(connection.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  }
  grpc::experimental::ExternalConnectionAcceptor::NewConnectionParameters parameters;
  parameters.listener_fd = listener;
  parameters.fd = connection.release();
  acceptor_->HandleNewConnection(&parameters);
  return true;
}

}  // namespace shmemd::api
