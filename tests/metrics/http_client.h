// One HTTP request on a socket of its own, with nothing between the test and the bytes.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <string>
#include <string_view>

#include "server/base/unique_fd.h"

namespace shmemd::metrics {

struct HttpAnswer {
  int code = 0;  // 0: no answer
  std::string head;
  std::string body;

  // The value of a header line; "" where there is none.
  std::string Header(std::string_view name) const {
    const std::string start = "\r\n" + std::string(name) + ": ";
    const size_t at = head.find(start);
    if (at == std::string::npos) return "";
    const size_t begin = at + start.size();
    return head.substr(begin, head.find("\r\n", begin) - begin);
  }
};

// A connection to a port of this host. Not open: refused.
inline base::UniqueFd ConnectToPort(int port) {
  base::UniqueFd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) return {};
  return socket;
}

inline int PortOf(const std::string& address) { return std::atoi(address.c_str() + address.rfind(':') + 1); }

// Sends `text` as it is and reads until the server closes, at most 30 s a read.
inline HttpAnswer HttpExchange(const std::string& address, const std::string& text) {
  const base::UniqueFd socket = ConnectToPort(PortOf(address));
  if (!socket.is_open()) return {};
  const timeval patience{30, 0};
  setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
  if (send(socket.get(), text.data(), text.size(), MSG_NOSIGNAL) < 0) return {};
  std::string all;
  std::array<char, 16384> buffer{};
  ssize_t got = 0;
  while ((got = recv(socket.get(), buffer.data(), buffer.size(), 0)) > 0) {
    all.append(buffer.data(), static_cast<size_t>(got));
  }
  const size_t end = all.find("\r\n\r\n");
  if (got < 0 || end == std::string::npos || !all.starts_with("HTTP/1.1 ")) return {};
  return {std::atoi(all.c_str() + 9), all.substr(0, end + 2), all.substr(end + 4)};
}

// `headers` are whole lines, each ended by "\r\n".
inline HttpAnswer HttpAsk(const std::string& address, const std::string& method, const std::string& target,
                          const std::string& headers = "") {
  return HttpExchange(address, method + " " + target + " HTTP/1.1\r\nHost: localhost\r\n" + headers + "\r\n");
}

inline HttpAnswer HttpGet(const std::string& address, const std::string& target,
                          const std::string& headers = "") {
  return HttpAsk(address, "GET", target, headers);
}

}  // namespace shmemd::metrics
