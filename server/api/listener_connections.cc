#include "server/api/listener_connections.h"

#include <fcntl.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

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

// The kernel's name of a socket, never given twice. 0: no socket, or a kernel that has none. The number may
// be anybody's by now: unlike the calls for files, this one asks nobody who could let us wait.
uint64_t CookieOf(int fd) {
  uint64_t cookie = 0;
  socklen_t size = sizeof(cookie);
  return getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &size) == 0 ? cookie : 0;
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
  if (answer == Answer::kAdmitted) connections_.push_back({socket, CookieOf(socket), peer});
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
    const uint64_t cookie = CookieOf(connection.fd);
    return cookie == 0 || cookie != connection.cookie;
  };
  connections_.erase(std::remove_if(connections_.begin(), connections_.end(), ended), connections_.end());
}

// Looks at duplicates, which stay what they are while gRPC closes its own: a number that has become somebody
// else's socket must not be shut down.
size_t ListenerConnections::EndFloods() {
  std::vector<base::UniqueFd> suspects;
  for (const Connection& connection : connections_) {
    base::UniqueFd copy(fcntl(connection.fd, F_DUPFD_CLOEXEC, 0));
    if (!copy.is_open() || CookieOf(copy.get()) != connection.cookie || !HasMuchUnread(copy.get())) continue;
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
