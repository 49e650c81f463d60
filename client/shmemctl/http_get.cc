#include "client/shmemctl/http_get.h"

#include <absl/status/status.h>
#include <absl/strings/str_cat.h>
#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <utility>

namespace shmemd::shmemctl {
namespace {

using Clock = std::chrono::steady_clock;

constexpr size_t kMaxAnswerBytes = size_t{256} << 20;

class Socket {
 public:
  explicit Socket(int fd) : fd_(fd) {}
  ~Socket() {
    if (fd_ >= 0) ::close(fd_);
  }
  Socket(Socket&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Socket& operator=(Socket&&) = delete;
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;
  int fd() const { return fd_; }

 private:
  int fd_;
};

struct HostPort {
  std::string host;
  std::string port;
};

absl::StatusOr<HostPort> Split(const std::string& address) {
  const size_t colon = address.rfind(':');
  if (colon == std::string::npos || colon + 1 == address.size()) {
    return absl::InvalidArgumentError(absl::StrCat("expected host:port, got \"", address, "\""));
  }
  std::string host = address.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  return HostPort{.host = std::move(host), .port = address.substr(colon + 1)};
}

// Waits until the socket is ready for `events`.
absl::Status Wait(const Socket& socket, int16_t events, Clock::time_point deadline) {
  while (true) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now()).count();
    if (left <= 0) return absl::DeadlineExceededError("no answer in time");
    pollfd entry = {.fd = socket.fd(), .events = events, .revents = 0};
    const int ready = ::poll(&entry, 1, static_cast<int>(std::min<int64_t>(left, 1 << 30)));
    if (ready > 0) return absl::OkStatus();
    if (ready < 0 && errno != EINTR) return absl::InternalError(absl::StrCat("poll: ", std::strerror(errno)));
  }
}

absl::StatusOr<Socket> ConnectOne(const addrinfo& info, Clock::time_point deadline) {
  Socket socket(::socket(info.ai_family, info.ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, info.ai_protocol));
  if (socket.fd() < 0) return absl::UnavailableError(std::strerror(errno));
  if (::connect(socket.fd(), info.ai_addr, info.ai_addrlen) == 0) return socket;
  if (errno != EINPROGRESS) return absl::UnavailableError(std::strerror(errno));
  absl::Status waited = Wait(socket, POLLOUT, deadline);
  if (!waited.ok()) return waited;
  int error = 0;
  socklen_t size = sizeof error;
  ::getsockopt(socket.fd(), SOL_SOCKET, SO_ERROR, &error, &size);
  if (error != 0) return absl::UnavailableError(std::strerror(error));
  return socket;
}

absl::StatusOr<Socket> Connect(const HostPort& where, Clock::time_point deadline) {
  addrinfo hints = {};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int error = ::getaddrinfo(where.host.c_str(), where.port.c_str(), &hints, &found);
  if (error != 0) return absl::UnavailableError(::gai_strerror(error));
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> owner(found, ::freeaddrinfo);
  absl::Status last = absl::UnavailableError("no address");
  for (const addrinfo* info = found; info != nullptr; info = info->ai_next) {
    absl::StatusOr<Socket> socket = ConnectOne(*info, deadline);
    if (socket.ok()) return socket;
    last = socket.status();
  }
  return last;
}

absl::Status SendAll(const Socket& socket, std::string_view bytes, Clock::time_point deadline) {
  while (!bytes.empty()) {
    const ssize_t sent = ::send(socket.fd(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent > 0) {
      bytes.remove_prefix(static_cast<size_t>(sent));
    } else if (errno == EAGAIN) {
      absl::Status waited = Wait(socket, POLLOUT, deadline);
      if (!waited.ok()) return waited;
    } else if (errno != EINTR) {
      return absl::UnavailableError(absl::StrCat("send: ", std::strerror(errno)));
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> ReceiveAll(const Socket& socket, Clock::time_point deadline) {
  std::string answer;
  std::string buffer(size_t{64} << 10, '\0');
  while (answer.size() < kMaxAnswerBytes) {
    absl::Status waited = Wait(socket, POLLIN, deadline);
    if (!waited.ok()) return waited;
    const ssize_t got = ::recv(socket.fd(), buffer.data(), buffer.size(), 0);
    if (got == 0) return answer;
    if (got > 0) {
      answer.append(buffer, 0, static_cast<size_t>(got));
    } else if (errno != EAGAIN && errno != EINTR) {
      return absl::UnavailableError(absl::StrCat("recv: ", std::strerror(errno)));
    }
  }
  return absl::InternalError(absl::StrCat("the answer is larger than ", kMaxAnswerBytes, " bytes"));
}

// Takes the body out of an HTTP/1.0 answer that was read to its end.
absl::StatusOr<std::string> BodyOf(std::string answer) {
  const size_t line_end = answer.find("\r\n");
  const size_t head_end = answer.find("\r\n\r\n");
  if (!answer.starts_with("HTTP/1.") || head_end == std::string::npos) {
    return absl::InternalError("the answer is no HTTP");
  }
  const std::string status_line = answer.substr(0, line_end);
  if (status_line.size() < 12 || status_line.substr(9, 3) != "200") {
    return absl::InternalError(absl::StrCat("expected 200, got \"", status_line, "\""));
  }
  answer.erase(0, head_end + 4);
  return answer;
}

}  // namespace

absl::StatusOr<std::string> HttpGet(const std::string& address, const std::string& path,
                                    std::chrono::milliseconds timeout) {
  const Clock::time_point deadline = Clock::now() + timeout;
  const absl::StatusOr<HostPort> where = Split(address);
  if (!where.ok()) return where.status();
  const absl::StatusOr<Socket> socket = Connect(*where, deadline);
  if (!socket.ok()) return socket.status();
  const std::string request =
      absl::StrCat("GET ", path, " HTTP/1.0\r\nHost: ", address, "\r\nAccept: text/plain\r\n\r\n");
  const absl::Status sent = SendAll(*socket, request, deadline);
  if (!sent.ok()) return sent;
  absl::StatusOr<std::string> answer = ReceiveAll(*socket, deadline);
  if (!answer.ok()) return answer.status();
  return BodyOf(*std::move(answer));
}

}  // namespace shmemd::shmemctl
