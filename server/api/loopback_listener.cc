#include "server/api/loopback_listener.h"

#include <absl/strings/numbers.h>
#include <absl/strings/str_cat.h>
#include <absl/strings/string_view.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

#include "server/base/posix_error.h"

namespace shmemd::api {
namespace {

constexpr int kBacklog = 128;

struct Address {
  sockaddr_storage storage{};
  socklen_t size = 0;
  std::string host;  // as it is written before the port
};

absl::Status Malformed(std::string_view text) {
  return absl::InvalidArgumentError(
      absl::StrCat("api.listen: expected ADDRESS:PORT with a numeric address, got \"",
                   absl::string_view(text.data(), text.size()), "\""));
}

absl::Status NotLoopback(std::string_view text) {
  return absl::InvalidArgumentError(
      absl::StrCat("api.listen: ", absl::string_view(text.data(), text.size()),
                   " is no loopback address, and only those are served without TLS"));
}

absl::StatusOr<Address> FillIpv4(const in_addr& host, uint16_t port, std::string_view text) {
  if ((ntohl(host.s_addr) >> 24) != 127) return NotLoopback(text);
  sockaddr_in in{};
  in.sin_family = AF_INET;
  in.sin_addr = host;
  in.sin_port = htons(port);
  Address out;
  std::memcpy(&out.storage, &in, sizeof(in));
  out.size = sizeof(in);
  char host_text[INET_ADDRSTRLEN];
  out.host = inet_ntop(AF_INET, &host, host_text, sizeof(host_text));
  return out;
}

absl::StatusOr<Address> FillIpv6(const in6_addr& host, uint16_t port, std::string_view text) {
  if (!IN6_IS_ADDR_LOOPBACK(&host)) return NotLoopback(text);
  sockaddr_in6 in{};
  in.sin6_family = AF_INET6;
  in.sin6_addr = host;
  in.sin6_port = htons(port);
  Address out;
  std::memcpy(&out.storage, &in, sizeof(in));
  out.size = sizeof(in);
  out.host = "[::1]";
  return out;
}

absl::StatusOr<Address> Parse(std::string_view text) {
  const size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return Malformed(text);
  const std::string digits(text.substr(colon + 1));
  std::string host(text.substr(0, colon));
  uint32_t port = 0;
  if (digits.empty() || digits.size() > 5 || digits.find_first_not_of("0123456789") != std::string::npos ||
      !absl::SimpleAtoi(digits, &port) || port > 65535) {
    return Malformed(text);
  }
  if (host == "localhost") host = "127.0.0.1";
  in_addr ipv4{};
  if (inet_pton(AF_INET, host.c_str(), &ipv4) == 1) return FillIpv4(ipv4, static_cast<uint16_t>(port), text);
  if (host.size() < 2 || host.front() != '[' || host.back() != ']') return Malformed(text);
  in6_addr ipv6{};
  if (inet_pton(AF_INET6, host.substr(1, host.size() - 2).c_str(), &ipv6) != 1) return Malformed(text);
  return FillIpv6(ipv6, static_cast<uint16_t>(port), text);
}

absl::StatusOr<uint16_t> BoundPort(int socket) {
  sockaddr_storage bound{};
  socklen_t size = sizeof(bound);
  if (getsockname(socket, reinterpret_cast<sockaddr*>(&bound), &size) != 0) {
    return base::PosixError(errno, "api.listen: getsockname");
  }
  if (bound.ss_family == AF_INET6) return ntohs(reinterpret_cast<const sockaddr_in6*>(&bound)->sin6_port);
  return ntohs(reinterpret_cast<const sockaddr_in*>(&bound)->sin_port);
}

}  // namespace

absl::Status LoopbackListener::Check(std::string_view address) { return Parse(address).status(); }

absl::StatusOr<LoopbackListener> LoopbackListener::Listen(std::string_view address) {
  const absl::StatusOr<Address> parsed = Parse(address);
  if (!parsed.ok()) return parsed.status();
  const std::string what = absl::StrCat("api.listen ", absl::string_view(address.data(), address.size()));
  base::UniqueFd socket(
      ::socket(parsed->storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP));
  if (!socket.is_open()) return base::PosixError(errno, what);
  // Takes a port whose old connections linger, never one that somebody listens on.
  const int on = 1;
  if (setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0 ||
      bind(socket.get(), reinterpret_cast<const sockaddr*>(&parsed->storage), parsed->size) != 0 ||
      listen(socket.get(), kBacklog) != 0) {
    return base::PosixError(errno, what);
  }
  const absl::StatusOr<uint16_t> port = BoundPort(socket.get());
  if (!port.ok()) return port.status();
  return LoopbackListener(std::move(socket), absl::StrCat(parsed->host, ":", *port));
}

}  // namespace shmemd::api
