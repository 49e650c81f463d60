#include "server/api/connection_count.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>

namespace shmemd::api {
namespace {

constexpr int64_t kSweepPauseNs = 10'000'000;

// 0: no socket. The number may be anybody's by now, so that nothing that could block is asked.
uint64_t InodeOf(int fd) {
  struct statx facts {};
  if (statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_TYPE | STATX_INO, &facts) != 0) return 0;
  return S_ISSOCK(facts.stx_mode) ? facts.stx_ino : 0;
}

}  // namespace

bool ConnectionCount::Admit(int socket, int64_t now_ns) {
  if (connections_.size() >= limit_ && now_ns >= swept_ns_ + kSweepPauseNs) {
    swept_ns_ = now_ns;
    ForgetEnded();
  }
  if (connections_.size() >= limit_) return false;
  connections_.push_back({socket, InodeOf(socket)});
  return true;
}

void ConnectionCount::ForgetEnded() {
  const auto ended = [](const Connection& connection) { return InodeOf(connection.fd) != connection.inode; };
  connections_.erase(std::remove_if(connections_.begin(), connections_.end(), ended), connections_.end());
}

}  // namespace shmemd::api
