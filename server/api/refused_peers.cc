#include "server/api/refused_peers.h"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <string_view>
#include <utility>

namespace shmemd::api {
namespace {

constexpr size_t kMaxPeers = 32;
constexpr int64_t kTimeNs = 2'000'000'000;
constexpr size_t kReadBytes = size_t{16} * 1024;

}  // namespace

void RefusedPeers::Take(base::UniqueFd connection, const grpc::Status& why, int64_t now_ns) {
  if (peers_.size() >= kMaxPeers) return;
  peers_.push_back({std::move(connection), RefusalTalk(why), now_ns + kTimeNs});
  if (!Exchange(peers_.back())) peers_.pop_back();
}

void RefusedPeers::AppendWaits(std::vector<pollfd>& waits) const {
  for (const Peer& peer : peers_) waits.push_back({peer.connection.get(), POLLIN, 0});
}

int RefusedPeers::TimeoutMs(int64_t now_ns) const {
  if (peers_.empty()) return -1;
  // All have the same time, so the first came first.
  return static_cast<int>(std::max<int64_t>(peers_.front().deadline_ns - now_ns, 0) / 1'000'000 + 1);
}

void RefusedPeers::Advance(int64_t now_ns) {
  peers_.remove_if([now_ns](Peer& peer) { return now_ns >= peer.deadline_ns || !Exchange(peer); });
}

// One read, so that a peer that never stops sending holds up nobody. What does not fit into the socket is not
// sent: such a peer does not read.
bool RefusedPeers::Exchange(Peer& peer) {
  char bytes[kReadBytes];
  const ssize_t got = recv(peer.connection.get(), bytes, sizeof(bytes), MSG_DONTWAIT);
  if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR)) return false;
  bool go_on = true;
  if (got > 0) go_on = peer.talk.Receive(std::string_view(bytes, static_cast<size_t>(got)));
  std::string& output = peer.talk.output();
  if (!output.empty()) {
    const ssize_t sent =
        send(peer.connection.get(), output.data(), output.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent != static_cast<ssize_t>(output.size())) return false;
    output.clear();
  }
  return go_on;
}

}  // namespace shmemd::api
