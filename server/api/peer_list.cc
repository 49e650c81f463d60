#include "server/api/peer_list.h"

#include <absl/strings/str_cat.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

#include "server/base/posix_error.h"

namespace shmemd::api {
namespace {

// Linux: a process has at most 65536 (NGROUPS_MAX).
absl::StatusOr<std::vector<gid_t>> GroupsOf(int socket) {
  std::vector<gid_t> groups(32);
  for (int attempt = 0; attempt < 2; ++attempt) {
    auto size = static_cast<socklen_t>(groups.size() * sizeof(gid_t));
    const bool got = getsockopt(socket, SOL_SOCKET, SO_PEERGROUPS, groups.data(), &size) == 0;
    const int error = errno;
    // gVisor and kernels before 4.13 do not tell: the group that SO_PEERCRED tells is all that is known.
    if (!got && error == ENOPROTOOPT) return std::vector<gid_t>();
    if (!got && error != ERANGE) return base::PosixError(error, "SO_PEERGROUPS");
    groups.resize(size / sizeof(gid_t));
    if (got) return groups;
  }
  return base::PosixError(ERANGE, "SO_PEERGROUPS");
}

template <typename T>
bool Has(const std::vector<T>& list, T item) {
  return std::find(list.begin(), list.end(), item) != list.end();
}

}  // namespace

std::string PeerCredentials::Text() const {
  std::string text = absl::StrCat("uid ", uid, ", gid ", gid);
  if (pid != 0) absl::StrAppend(&text, " (pid ", pid, ")");
  return text;
}

absl::StatusOr<PeerCredentials> CredentialsOf(int socket, bool with_groups) {
  ucred credentials{};
  socklen_t size = sizeof(credentials);
  if (getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0) {
    return base::PosixError(errno, "SO_PEERCRED");
  }
  if (!with_groups) return PeerCredentials{credentials.pid, credentials.uid, credentials.gid, {}};
  absl::StatusOr<std::vector<gid_t>> groups = GroupsOf(socket);
  if (!groups.ok()) return groups.status();
  return PeerCredentials{credentials.pid, credentials.uid, credentials.gid, *std::move(groups)};
}

bool PeerList::Admits(const PeerCredentials& peer) const {
  if (uids.empty() && gids.empty()) return true;
  return Has(uids, peer.uid) || Has(gids, peer.gid) ||
         std::any_of(peer.groups.begin(), peer.groups.end(), [this](gid_t gid) { return Has(gids, gid); });
}

}  // namespace shmemd::api
