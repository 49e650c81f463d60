// Which local processes may use a Unix socket, by the user and the groups they had when they connected
// (SO_PEERCRED, SO_PEERGROUPS): the kernel says it, the peer cannot.
//
// A value; any thread.
#pragma once

#include <absl/status/statusor.h>
#include <sys/types.h>

#include <string>
#include <vector>

namespace shmemd::api {

struct PeerCredentials {
  pid_t pid = 0;  // 0: not visible from here
  uid_t uid = 0;
  gid_t gid = 0;
  std::vector<gid_t> groups;  // supplementary ones

  std::string Text() const;  // "uid 107, gid 107 (pid 4711)"
};

// Of who is at the other end of a connected Unix socket; `with_groups`: the supplementary groups, too, as far
// as the kernel tells them.
absl::StatusOr<PeerCredentials> CredentialsOf(int socket, bool with_groups);

// Without entries it admits everybody: the file mode decides. Else one of the uids, or one of the gids as
// group or supplementary group, is needed; nobody is admitted unlisted, not root either.
struct PeerList {
  std::vector<uid_t> uids;
  std::vector<gid_t> gids;

  bool Admits(const PeerCredentials& peer) const;
};

}  // namespace shmemd::api
