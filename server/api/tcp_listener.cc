#include "server/api/tcp_listener.h"

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

absl::string_view View(std::string_view text) { return {text.data(), text.size()}; }

struct Address {
  sockaddr_storage storage{};
  socklen_t size = 0;
  std::string host;  // as it is written before the port
  bool loopback = false;
  bool any = false;  // no host was named
};

absl::Status Malformed(std::string_view setting, std::string_view text) {
  return absl::InvalidArgumentError(absl::StrCat(
      View(setting), ": expected ADDRESS:PORT with a numeric address, got \"", View(text), "\""));
}

Address Ipv4(const in_addr& host, uint16_t port) {
  sockaddr_in in{};
  in.sin_family = AF_INET;
  in.sin_addr = host;
  in.sin_port = htons(port);
  Address out;
  std::memcpy(&out.storage, &in, sizeof(in));
  out.size = sizeof(in);
  char host_text[INET_ADDRSTRLEN];
  out.host = inet_ntop(AF_INET, &host, host_text, sizeof(host_text));
  out.loopback = (ntohl(host.s_addr) >> 24) == 127;
  return out;
}

Address Ipv6(const in6_addr& host, uint16_t port) {
  sockaddr_in6 in{};
  in.sin6_family = AF_INET6;
  in.sin6_addr = host;
  in.sin6_port = htons(port);
  Address out;
  std::memcpy(&out.storage, &in, sizeof(in));
  out.size = sizeof(in);
  char host_text[INET6_ADDRSTRLEN];
  out.host = absl::StrCat("[", inet_ntop(AF_INET6, &host, host_text, sizeof(host_text)), "]");
  out.loopback = IN6_IS_ADDR_LOOPBACK(&host);
  return out;
}

absl::StatusOr<Address> Parse(std::string_view setting, std::string_view text) {
  const size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return Malformed(setting, text);
  const std::string digits(text.substr(colon + 1));
  std::string host(text.substr(0, colon));
  uint32_t port = 0;
  if (digits.empty() || digits.size() > 5 || digits.find_first_not_of("0123456789") != std::string::npos ||
      !absl::SimpleAtoi(digits, &port) || port > 65535) {
    return Malformed(setting, text);
  }
  if (host.empty()) {
    Address address = Ipv6(in6addr_any, static_cast<uint16_t>(port));
    address.any = true;
    return address;
  }
  if (host == "localhost") host = "127.0.0.1";
  in_addr ipv4{};
  if (inet_pton(AF_INET, host.c_str(), &ipv4) == 1) return Ipv4(ipv4, static_cast<uint16_t>(port));
  if (host.size() < 2 || host.front() != '[' || host.back() != ']') return Malformed(setting, text);
  in6_addr ipv6{};
  if (inet_pton(AF_INET6, host.substr(1, host.size() - 2).c_str(), &ipv6) != 1) {
    return Malformed(setting, text);
  }
  return Ipv6(ipv6, static_cast<uint16_t>(port));
}

uint16_t PortOf(const Address& address) {
  return ntohs(reinterpret_cast<const sockaddr_in6&>(address.storage).sin6_port);  // where IPv4 has it, too
}

base::UniqueFd OpenSocket(const Address& address) {
  return base::UniqueFd(
      ::socket(address.storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP));
}

// Sets errno. Takes a port whose old connections linger, never one that somebody listens on.
bool BindAndListen(int socket, const Address& address) {
  const int on = 1;
  const int off = 0;
  if (address.any && setsockopt(socket, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off)) != 0) return false;
  return setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0 &&
         bind(socket, reinterpret_cast<const sockaddr*>(&address.storage), address.size) == 0 &&
         listen(socket, kBacklog) == 0;
}

absl::StatusOr<uint16_t> BoundPort(std::string_view setting, int socket) {
  Address bound;
  bound.size = sizeof(bound.storage);
  if (getsockname(socket, reinterpret_cast<sockaddr*>(&bound.storage), &bound.size) != 0) {
    return base::PosixError(errno, absl::StrCat(View(setting), ": getsockname"));
  }
  return PortOf(bound);
}

}  // namespace

absl::StatusOr<bool> TcpListener::IsLoopback(std::string_view setting, std::string_view address) {
  const absl::StatusOr<Address> parsed = Parse(setting, address);
  if (!parsed.ok()) return parsed.status();
  return parsed->loopback;
}

absl::StatusOr<TcpListener> TcpListener::Listen(std::string_view setting, std::string_view address) {
  absl::StatusOr<Address> parsed = Parse(setting, address);
  if (!parsed.ok()) return parsed.status();
  const std::string what = absl::StrCat(View(setting), " ", View(address));
  base::UniqueFd socket = OpenSocket(*parsed);
  bool listens = socket.is_open() && BindAndListen(socket.get(), *parsed);
  if (!listens && parsed->any && (errno == EAFNOSUPPORT || errno == EADDRNOTAVAIL)) {
    *parsed = Ipv4({INADDR_ANY}, PortOf(*parsed));
    socket = OpenSocket(*parsed);
    listens = socket.is_open() && BindAndListen(socket.get(), *parsed);
  }
  if (!listens) return base::PosixError(errno, what);
  const absl::StatusOr<uint16_t> port = BoundPort(setting, socket.get());
  if (!port.ok()) return port.status();
  return TcpListener(std::move(socket), absl::StrCat(parsed->host, ":", *port));
}

}  // namespace shmemd::api
