#include "shmemd/endpoint.h"

#include <absl/status/status.h>
#include <absl/strings/numbers.h>
#include <absl/strings/str_cat.h>
#include <sys/un.h>

#include <utility>

namespace shmemd::client {
namespace {

constexpr size_t kMaxPathBytes = sizeof(sockaddr_un{}.sun_path) - 1;
constexpr int kMaxPort = 65535;

absl::StatusOr<Endpoint> Socket(std::string path) {
  if (path.empty()) return absl::InvalidArgumentError("the path of the socket is empty");
  if (path.size() > kMaxPathBytes) {
    return absl::InvalidArgumentError(absl::StrCat("the path of a socket has at most ", kMaxPathBytes,
                                                   " bytes, got ", path.size(), ": ", path));
  }
  return Endpoint{.path = std::move(path), .address = ""};
}

}  // namespace

std::string Endpoint::text() const { return path.empty() ? address : absl::StrCat("unix:", path); }

absl::StatusOr<Endpoint> ParseEndpoint(std::string_view given) {
  const std::string text(given);
  if (text.starts_with("unix://")) return Socket(text.substr(7));
  if (text.starts_with("unix:")) return Socket(text.substr(5));
  if (text.starts_with("/") || text.starts_with("./")) return Socket(text);
  const size_t colon = text.rfind(':');
  int port = 0;
  const bool has_port =
      colon != std::string::npos && colon > 0 && absl::SimpleAtoi(text.substr(colon + 1), &port);
  if (!has_port || port < 1 || port > kMaxPort) {
    return absl::InvalidArgumentError(
        absl::StrCat("expected unix:/path/to/socket or host:port, got \"", text, "\""));
  }
  return Endpoint{.path = "", .address = text};
}

}  // namespace shmemd::client
