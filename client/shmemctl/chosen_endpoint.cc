#include "client/shmemctl/chosen_endpoint.h"

#include <absl/status/status.h>
#include <absl/strings/str_cat.h>
#include <absl/strings/str_format.h>
#include <grp.h>
#include <pwd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>
#include <vector>

namespace shmemd::shmemctl {
namespace {

constexpr size_t kMaxPathBytes = sizeof(sockaddr_un{}.sun_path) - 1;
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

absl::StatusOr<ChosenEndpoint> ChooseEndpoint(std::string_view flag, Role role,
                                              const client::Environment& environment) {
  const std::string variable = environment("SHMEMD_ENDPOINT");
  if (flag.empty() && variable.empty()) {
    ChosenEndpoint chosen;
    chosen.path = role == Role::kAdmin ? client::kAdminSocket : client::kApiSocket;
    chosen.origin = "default";
    return chosen;
  }
  return flag.empty() ? ReadEndpoint(variable, "SHMEMD_ENDPOINT") : ReadEndpoint(flag, "--endpoint");
}

absl::StatusOr<ChosenEndpoint> ReadEndpoint(std::string_view text, const std::string& origin) {
  auto endpoint = client::ParseEndpoint(text);
  if (!endpoint.ok()) {
    return absl::InvalidArgumentError(absl::StrCat(origin, ": ", std::string(endpoint.status().message())));
  }
  ChosenEndpoint chosen;
  chosen.origin = origin;
  static_cast<client::Endpoint&>(chosen) = *std::move(endpoint);
  return chosen;
}

absl::StatusOr<std::optional<client::TlsFiles>> ChooseTls(const client::TlsFiles& flags,
                                                          const client::Endpoint& endpoint,
                                                          const client::Environment& environment) {
  const auto chosen = [&](const std::string& flag, const char* variable) {
    return flag.empty() ? environment(variable) : flag;
  };
  const auto any = [](const client::TlsFiles& files) {
    return !(files.ca + files.certificate + files.key + files.server_name).empty();
  };
  if (!endpoint.path.empty()) {
    if (!any(flags)) return std::nullopt;
    return absl::InvalidArgumentError(absl::StrCat(
        "--ca, --cert, --key and --server-name are for --endpoint host:port, not for ", endpoint.text()));
  }
  client::TlsFiles files{.ca = chosen(flags.ca, "SHMEMD_CA"),
                         .certificate = chosen(flags.certificate, "SHMEMD_CERT"),
                         .key = chosen(flags.key, "SHMEMD_KEY"),
                         .server_name = chosen(flags.server_name, "SHMEMD_SERVER_NAME")};
  if (!any(files)) return std::nullopt;
  if (files.ca.empty()) return absl::InvalidArgumentError("TLS needs --ca FILE (or SHMEMD_CA)");
  if (files.certificate.empty() != files.key.empty()) {
    return absl::InvalidArgumentError("--cert FILE and --key FILE (or SHMEMD_CERT, SHMEMD_KEY) go together");
  }
  return files;
}

std::string DiagnoseEndpoint(const client::Endpoint& endpoint) {
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

}  // namespace shmemd::shmemctl
