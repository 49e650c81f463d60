// A whole relay session, tracker included, whose two peers are played by the test on its thread.
#pragma once

#include <memory>
#include <utility>

#include "server/base/clock.h"
#include "server/relay/relay_session.h"
#include "server/state/backend.h"
#include "tests/relay/relayed_channel.h"

namespace shmemd::relay {

// The table that a session's events make.
class TableSink final : public state::EventSink {
 public:
  void Publish(const state::EventBody& body) override {
    state::Event event;
    event.sequence = ++sequence_;
    event.wall_time_ns = static_cast<int64_t>(sequence_);
    event.body = body;
    table_.Apply(event);
  }
  const state::Backend& table() const override { return table_; }

 private:
  static state::BackendSpec Spec() {
    state::BackendSpec spec;
    spec.id = "relayed";
    spec.mode = state::Mode::kRelay;
    return spec;
  }
  state::Backend table_{state::BackendHandle{1}, Spec(), "uid", 0, 4096};
  uint64_t sequence_ = 0;
};

class RelayedSession final : RelaySession::Observer {
 public:
  explicit RelayedSession(ChannelLoop& loop, const session::TrackerOptions& options = {},
                          int send_buffer_bytes = 0)
      : loop_(loop) {
    sink_.Publish(state::Connected{});
    for (const Sender side : {Sender::kFrontend, Sender::kBackend}) {
      SocketPair pair(send_buffer_bytes);
      Peer(vhost::Channel::kMain, side) = std::move(pair.peer);
      sockets_[static_cast<size_t>(side)] = std::move(pair.ours);
    }
    session_ = std::make_unique<RelaySession>(RelaySession::Context{loop.loop(), loop.closer(), sink_, *this},
                                              options, std::move(sockets_[0]), std::move(sockets_[1]));
    EXPECT_TRUE(session_->Start().ok());
  }

  // SET_BACKEND_REQ_FD: a back-end channel of its own for each side, in place of the one before.
  void OpenBackendChannel() {
    const Bytes request = Message(21, 1, 0);
    {
      SocketPair pair;
      SendAll(peer(vhost::Channel::kMain, Sender::kFrontend), request, {pair.ours.get()});
      Peer(vhost::Channel::kBackend, Sender::kFrontend) = std::move(pair.peer);
    }
    loop_.Settle();
    Bytes got(request.size());
    std::vector<base::UniqueFd> fds;
    EXPECT_EQ(net::Receive(peer(vhost::Channel::kMain, Sender::kBackend), got, fds).bytes, request.size());
    EXPECT_EQ(got, request);
    ASSERT_EQ(fds.size(), 1U);
    Peer(vhost::Channel::kBackend, Sender::kBackend) = std::move(fds[0]);
  }

  int peer(vhost::Channel channel, Sender side) const {
    return peers_[static_cast<size_t>(channel)][static_cast<size_t>(side)].get();
  }
  void ClosePeer(vhost::Channel channel, Sender side) { Peer(channel, side).reset(); }
  // Both sockets of that side, as when its process ends.
  void ClosePeer(Sender side) {
    ClosePeer(vhost::Channel::kMain, side);
    ClosePeer(vhost::Channel::kBackend, side);
  }

  RelaySession& session() { return *session_; }
  const state::Backend& table() const { return sink_.table(); }
  bool over() const { return over_; }
  const std::optional<Sender>& ended_first() const { return ended_first_; }

 private:
  base::UniqueFd& Peer(vhost::Channel channel, Sender side) {
    return peers_[static_cast<size_t>(channel)][static_cast<size_t>(side)];
  }
  void OnPeerEnded(Sender first, bool) override {
    EXPECT_FALSE(ended_first_) << "told twice";
    ended_first_ = first;
  }
  void OnActivity() override {}
  void OnSessionOver() override {
    EXPECT_FALSE(over_) << "told twice";
    over_ = true;
  }

  ChannelLoop& loop_;
  TableSink sink_;
  std::array<base::UniqueFd, 2> sockets_;
  std::array<std::array<base::UniqueFd, 2>, 2> peers_;  // by channel, then by side
  std::unique_ptr<RelaySession> session_;
  std::optional<Sender> ended_first_;
  bool over_ = false;
};

}  // namespace shmemd::relay
