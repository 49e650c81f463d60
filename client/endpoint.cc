#include "client/endpoint.h"

#include <absl/status/status.h>
#include <absl/strings/numbers.h>
#include <absl/strings/str_cat.h>
#include <absl/strings/str_format.h>
#include <grp.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <pwd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cctype>
#include <cerrno>
#include <cstring>
#include <utility>
#include <vector>

namespace shmemd::client {
namespace {

constexpr size_t kMaxPathBytes = sizeof(sockaddr_un{}.sun_path) - 1;
constexpr int kMaxMessageBytes = 256 << 20;  // a page of 1000 back-ends with all their findings is far below

absl::StatusOr<Endpoint> ParseSocket(std::string path, std::string origin) {
  if (path.empty())
    return absl::InvalidArgumentError(absl::StrCat(origin, ": the path of the socket is empty"));
  if (path.size() > kMaxPathBytes) {
    return absl::InvalidArgumentError(absl::StrCat(origin, ": the path of a socket has at most ",
                                                   kMaxPathBytes, " bytes, got ", path.size(), ": ", path));
  }
  return Endpoint{.path = std::move(path), .address = "", .origin = std::move(origin)};
}

absl::StatusOr<Endpoint> ParseEndpoint(const std::string& text, std::string origin) {
  if (text.starts_with("unix://")) return ParseSocket(text.substr(7), std::move(origin));
  if (text.starts_with("unix:")) return ParseSocket(text.substr(5), std::move(origin));
  if (text.starts_with("/") || text.starts_with("./")) return ParseSocket(text, std::move(origin));
  const size_t colon = text.rfind(':');
  int port = 0;
  const bool has_port =
      colon != std::string::npos && colon > 0 && absl::SimpleAtoi(text.substr(colon + 1), &port);
  if (!has_port || port < 1 || port > 65535) {
    return absl::InvalidArgumentError(
        absl::StrCat(origin, ": expected unix:/path/to/socket or host:port, got \"", text, "\""));
  }
  return Endpoint{.path = "", .address = text, .origin = std::move(origin)};
}

// gRPC reads its target as a URI.
std::string PercentEncoded(const std::string& path) {
  std::string encoded;
  for (const char c : path) {
    const bool plain = std::isalnum(static_cast<unsigned char>(c)) != 0 || std::strchr("/._-~", c) != nullptr;
    if (plain) {
      encoded += c;
    } else {
      absl::StrAppendFormat(&encoded, "%%%02X", static_cast<unsigned char>(c));
    }
  }
  return encoded;
}

std::string UserName(uid_t uid) {
  std::vector<char> buffer(4096);
  passwd entry = {};
  passwd* found = nullptr;
  const bool known = ::getpwuid_r(uid, &entry, buffer.data(), buffer.size(), &found) == 0 && found != nullptr;
  return known ? found->pw_name : absl::StrCat(uid);
}

std::string GroupName(gid_t gid) {
  std::vector<char> buffer(4096);
  group entry = {};
  group* found = nullptr;
  const bool known = ::getgrgid_r(gid, &entry, buffer.data(), buffer.size(), &found) == 0 && found != nullptr;
  return known ? found->gr_name : absl::StrCat(gid);
}

// What one of the two must be: the socket itself, or the first folder on the way that does not let us in.
std::string WhoMayConnect(const std::string& path) {
  std::string what = path;
  struct stat facts = {};
  while (::stat(what.c_str(), &facts) != 0) {
    const size_t slash = what.rfind('/');
    if (slash == std::string::npos || slash == 0) return "permission denied";
    what.resize(slash);
  }
  const std::string whose =
      absl::StrFormat("%s belongs to %s:%s with mode %04o", what, UserName(facts.st_uid),
                      GroupName(facts.st_gid), facts.st_mode & 07777);
  const unsigned needed = S_ISDIR(facts.st_mode) ? S_IXGRP : S_IWGRP;
  const std::string remedy = (facts.st_mode & needed) != 0
                                 ? absl::StrCat("you need to be in group ", GroupName(facts.st_gid))
                                 : absl::StrCat("you need to be user ", UserName(facts.st_uid));
  return absl::StrCat("permission denied: ", whose, "; ", remedy);
}

}  // namespace

std::string Endpoint::text() const { return path.empty() ? address : absl::StrCat("unix:", path); }

absl::StatusOr<Endpoint> ResolveEndpoint(std::string_view flag, Role role, const Environment& environment) {
  if (!flag.empty()) return ParseEndpoint(std::string(flag), "--endpoint");
  const std::string variable = environment("SHMEMD_ENDPOINT");
  if (!variable.empty()) return ParseEndpoint(variable, "SHMEMD_ENDPOINT");
  return Endpoint{
      .path = role == Role::kAdmin ? kAdminSocket : kApiSocket, .address = "", .origin = "default"};
}

std::shared_ptr<grpc::Channel> MakeChannel(const Endpoint& endpoint) {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  arguments.SetMaxReceiveMessageSize(kMaxMessageBytes);
  const std::string target =
      endpoint.path.empty() ? endpoint.address : absl::StrCat("unix:", PercentEncoded(endpoint.path));
  return grpc::CreateCustomChannel(target, grpc::InsecureChannelCredentials(), arguments);
}

std::string DiagnoseEndpoint(const Endpoint& endpoint) {
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  if (endpoint.path.empty() || endpoint.path.size() > kMaxPathBytes) return "";
  std::memcpy(address.sun_path, endpoint.path.data(), endpoint.path.size());
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return "";
  const int result = ::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address);
  const int error = result == 0 ? 0 : errno;
  ::close(fd);
  switch (error) {
    case ENOENT:
    case ENOTDIR:
      return "there is no such socket; is shmemd running?";
    case ECONNREFUSED:
      return "nobody listens there; is shmemd running?";
    case EACCES:
    case EPERM:
      return WhoMayConnect(endpoint.path);
    default:
      return error == 0 || error == EAGAIN ? "" : std::strerror(error);
  }
}

}  // namespace shmemd::client
