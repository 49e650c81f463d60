// A channel whose two peers are played by the test, and the loop that moves it: everything on the test's
// thread.
//
//   ChannelLoop loop;
//   RelayedChannel channel(loop);
//   SendAll(channel.peer(Sender::kFrontend), message);
//   loop.Settle();
//   ReadExactly(channel.peer(Sender::kBackend), message.size())
#pragma once

#include <gtest/gtest.h>

#include <array>
#include <functional>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "server/net/event_loop.h"
#include "server/net/fd_closer.h"
#include "server/relay/channel.h"
#include "tests/relay/socket_pairs.h"

namespace shmemd::relay {

using session::Sender;

inline Sender OtherSide(Sender side) {
  return side == Sender::kFrontend ? Sender::kBackend : Sender::kFrontend;
}
inline const char* SideName(Sender side) { return side == Sender::kFrontend ? "Frontend" : "Backend"; }

class ChannelLoop {
 public:
  ChannelLoop() {
    auto loop = net::EventLoop::Create();
    EXPECT_TRUE(loop.ok()) << loop.status();
    loop_ = *std::move(loop);
    EXPECT_TRUE(closer_.Start().ok());
  }

  // Turns until nothing is left to do at once.
  void Settle() {
    while (loop_->Turn(0) > 0) {
    }
  }
  // Turns until `done`. False when it does not come true within 10 s.
  bool TurnUntil(const std::function<bool()>& done, int64_t wait_ns = 1'000'000) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    while (!done()) {
      if (std::chrono::steady_clock::now() > deadline) return false;
      loop_->Turn(wait_ns);
    }
    return true;
  }

  net::EventLoop& loop() { return *loop_; }
  net::FdCloser& closer() { return closer_; }
  net::FdCloser::Tally& tally() { return tally_; }

 private:
  std::unique_ptr<net::EventLoop> loop_;
  net::FdCloser closer_;
  net::FdCloser::Tally tally_;
};

class ChannelWatcher final : public Channel::Observer {
 public:
  session::Verdict Judge(const session::PassingMessage&, std::vector<base::UniqueFd>&) override {
    return session::Verdict::kForward;
  }
  void Passed(const session::PassingMessage& message, session::Verdict,
              const std::vector<base::UniqueFd>&) override {
    ++passed[static_cast<size_t>(message.sender)];
  }
  void OnSenderEnded(Sender sender, const End& end) override {
    EXPECT_FALSE(ends[static_cast<size_t>(sender)]) << "told twice";
    ends[static_cast<size_t>(sender)] = end;
  }
  void OnAdvanced() override {}
  void OnFinished() override { ++finished; }

  const std::optional<End>& end(Sender sender) const { return ends[static_cast<size_t>(sender)]; }

  std::array<std::optional<End>, 2> ends;
  std::array<size_t, 2> passed{};
  int finished = 0;
};

class RelayedChannel {
 public:
  // `send_buffer_bytes`: of the relay's own sockets; 0: as it is.
  explicit RelayedChannel(ChannelLoop& loop, vhost::Channel kind = vhost::Channel::kMain,
                          int send_buffer_bytes = 0)
      : RelayedChannel(loop, {SocketPair(send_buffer_bytes), SocketPair(send_buffer_bytes)}, kind) {}
  // Between sockets that are there already; by side.
  RelayedChannel(ChannelLoop& loop, std::array<SocketPair, 2> pairs,
                 vhost::Channel kind = vhost::Channel::kMain)
      : pairs_(std::move(pairs)),
        channel_(std::make_unique<Channel>(loop.loop(), loop.closer(), loop.tally(), kind,
                                           std::move(pairs_[0].ours), std::move(pairs_[1].ours), watcher_)) {
    EXPECT_TRUE(channel_->Start().ok());
  }

  // What the peer on that side holds.
  int peer(Sender side) const { return pairs_[static_cast<size_t>(side)].peer.get(); }
  void ClosePeer(Sender side) { pairs_[static_cast<size_t>(side)].peer.reset(); }
  Channel& channel() { return *channel_; }
  const ChannelWatcher& watcher() const { return watcher_; }
  PumpState state(Sender sender) const { return channel_->pump(sender).state(); }

 private:
  std::array<SocketPair, 2> pairs_;  // by side
  ChannelWatcher watcher_;
  std::unique_ptr<Channel> channel_;
};

// Everything that can be read now, up to the end of the stream.
struct Rest {
  Bytes bytes;
  std::vector<uint64_t> inodes;
  bool ended = false;
  int error_number = 0;  // of the end: 0 for an orderly one
};
inline Rest ReadRest(int socket) {
  Rest rest;
  while (true) {
    const Read read = ReadExactly(socket, 65536);
    rest.bytes.insert(rest.bytes.end(), read.bytes.begin(), read.bytes.end());
    rest.inodes.insert(rest.inodes.end(), read.inodes.begin(), read.inodes.end());
    if (read.status == net::IoStatus::kDone) continue;
    rest.ended = read.status == net::IoStatus::kClosed;
    rest.error_number = read.status == net::IoStatus::kWouldBlock ? 0 : read.error_number;
    return rest;
  }
}

// Writes `message` until the socket takes no more; all of the last one is written or none of it. How many.
inline size_t Fill(int socket, const Bytes& message) {
  size_t count = 0;
  while (true) {
    const net::IoResult result = net::Send(socket, message);
    if (result.status != net::IoStatus::kDone) return count;
    EXPECT_EQ(result.bytes, message.size());
    ++count;
  }
}

}  // namespace shmemd::relay
