#include "server/api/listener_connections.h"

#include <fcntl.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <algorithm>
#include <chrono>
#include <thread>
#include <utility>

#include "server/base/unique_fd.h"

namespace shmemd::api {
namespace {

constexpr int64_t kSweepPauseNs = 10'000'000;
constexpr int kLooks = 8;
constexpr std::chrono::milliseconds kLookPause{5};
constexpr int kFloodBytes = 16 * 1024;

// 0: no socket, or nobody may tell. The number may be anybody's by now, so that nothing that could block is
// asked.
uint64_t InodeOf(int fd) {
  struct statx facts {};
  if (statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_TYPE | STATX_INO, &facts) == 0) {
    return S_ISSOCK(facts.stx_mode) ? facts.stx_ino : 0;
  }
  // Where statx is not permitted.
  struct stat status {};
  return fstat(fd, &status) == 0 && S_ISSOCK(status.st_mode) ? status.st_ino : 0;
}

bool HasMuchUnread(int socket) {
  int unread = 0;
  return ioctl(socket, SIOCINQ, &unread) == 0 && unread >= kFloodBytes;
}

}  // namespace

ListenerConnections::Answer ListenerConnections::Admit(int socket, const std::string& peer, int64_t now_ns) {
  Answer answer = Judge(peer);
  if (answer != Answer::kAdmitted && now_ns >= swept_ns_ + kSweepPauseNs) {
    swept_ns_ = now_ns;
    ForgetEnded();
    answer = Judge(peer);
  }
  if (answer == Answer::kAdmitted) connections_.push_back({socket, InodeOf(socket), peer});
  return answer;
}

ListenerConnections::Answer ListenerConnections::Judge(const std::string& peer) const {
  if (connections_.size() >= limit_) return Answer::kFull;
  if (peer.empty()) return Answer::kAdmitted;
  const auto of_peer =
      std::count_if(connections_.begin(), connections_.end(),
                    [&peer](const Connection& connection) { return connection.peer == peer; });
  return static_cast<size_t>(of_peer) >= peer_limit() ? Answer::kPeerFull : Answer::kAdmitted;
}

void ListenerConnections::ForgetEnded() {
  const auto ended = [](const Connection& connection) {
    const uint64_t inode = InodeOf(connection.fd);
    return inode == 0 || inode != connection.inode;
  };
  connections_.erase(std::remove_if(connections_.begin(), connections_.end(), ended), connections_.end());
}

// Looks at duplicates, which stay what they are while gRPC closes its own: a number that has become somebody
// else's socket must not be shut down.
size_t ListenerConnections::EndFloods() {
  std::vector<base::UniqueFd> suspects;
  for (const Connection& connection : connections_) {
    base::UniqueFd copy(fcntl(connection.fd, F_DUPFD_CLOEXEC, 0));
    if (!copy.is_open() || InodeOf(copy.get()) != connection.inode || !HasMuchUnread(copy.get())) continue;
    suspects.push_back(std::move(copy));
  }
  for (int look = 1; look < kLooks && !suspects.empty(); ++look) {
    std::this_thread::sleep_for(kLookPause);
    suspects.erase(std::remove_if(suspects.begin(), suspects.end(),
                                  [](const base::UniqueFd& socket) { return !HasMuchUnread(socket.get()); }),
                   suspects.end());
  }
  for (const base::UniqueFd& socket : suspects) shutdown(socket.get(), SHUT_RDWR);
  return suspects.size();
}

}  // namespace shmemd::api
