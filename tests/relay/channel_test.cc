// How the ends of a channel are passed on, in each direction, and that one direction holds up nothing else.
#include "server/relay/channel.h"

#include <gmock/gmock.h>
#include <sys/resource.h>

#include <atomic>
#include <cerrno>
#include <thread>

#include "tests/relay/relayed_channel.h"

namespace shmemd::relay {
namespace {

using testing::ElementsAre;
using testing::SizeIs;

// Everything is true of either side: `A` is the side whose end is looked at, `B` the other one.
class ChannelEnd : public testing::TestWithParam<Sender> {
 protected:
  Sender A() const { return GetParam(); }
  Sender B() const { return OtherSide(GetParam()); }
  int a() const { return channel_.peer(A()); }
  int b() const { return channel_.peer(B()); }

  size_t fds_before_ = OpenFds();
  base::UniqueFd file_ = Memfd();
  ChannelLoop loop_;
  RelayedChannel channel_{loop_};
};

INSTANTIATE_TEST_SUITE_P(Side, ChannelEnd, testing::Values(Sender::kFrontend, Sender::kBackend),
                         [](const auto& side) { return SideName(side.param); });

TEST_P(ChannelEnd, HalfACloseIsPassedOnAsHalfAClose) {
  SendAll(a(), Message(2, 1, 8));
  shutdown(a(), SHUT_WR);
  loop_.Settle();
  const Rest rest = ReadRest(b());
  EXPECT_EQ(rest.bytes, Message(2, 1, 8));
  EXPECT_TRUE(rest.ended);
  EXPECT_EQ(rest.error_number, 0);
  // The other direction goes on, with descriptors too.
  for (uint32_t id = 1; id < 50; ++id) {
    SendAll(b(), Message(id, 5, 8), {file_.get()});
    loop_.Settle();
    const Read read = ReadExactly(a(), 100);
    EXPECT_EQ(read.bytes, Message(id, 5, 8));
    EXPECT_THAT(read.inodes, ElementsAre(Inode(file_.get())));
  }
  EXPECT_EQ(channel_.watcher().finished, 0);
  shutdown(b(), SHUT_WR);
  loop_.Settle();
  EXPECT_TRUE(ReadRest(a()).ended);
  EXPECT_EQ(channel_.watcher().finished, 1);
}

TEST_P(ChannelEnd, ACloseClosesTheOtherSideBehindEverythingThatWasQueued) {
  const size_t fds = OpenFds();
  Bytes sent;
  std::vector<uint64_t> inodes;
  for (uint32_t i = 0; i < 60; ++i) {
    const Bytes message = Message(i, 1, size_t{i} * 7);
    SendAll(a(), message, i % 3 == 0 ? std::vector<int>{file_.get()} : std::vector<int>{});
    sent.insert(sent.end(), message.begin(), message.end());
    if (i % 3 == 0) inodes.push_back(Inode(file_.get()));
  }
  channel_.ClosePeer(A());
  loop_.Settle();
  const Rest rest = ReadRest(b());
  EXPECT_EQ(rest.bytes, sent);
  EXPECT_EQ(rest.inodes, inodes);
  EXPECT_TRUE(rest.ended);
  EXPECT_EQ(rest.error_number, 0);
  EXPECT_EQ(channel_.watcher().finished, 1);
  EXPECT_TRUE(channel_.watcher().end(A()));
  EXPECT_FALSE(channel_.watcher().end(A())->torn);
  EXPECT_EQ(OpenFds(), fds - 3);  // its own socket and both of the channel
}

TEST_P(ChannelEnd, ACloseWhileTheOtherSideReadsSlowlyLosesNothing) {
  const Bytes message = Message(7, 1, 4000);
  size_t sent = 0;
  do {
    sent += Fill(a(), message);
    loop_.Settle();
  } while (net::Send(a(), message).status == net::IoStatus::kDone && ++sent);
  ASSERT_EQ(channel_.state(A()), PumpState::kBlocked);
  channel_.ClosePeer(A());
  loop_.Settle();
  EXPECT_EQ(channel_.watcher().finished, 0);
  ASSERT_TRUE(channel_.watcher().end(A()));
  EXPECT_TRUE(channel_.watcher().end(A())->stuck);
  for (size_t i = 0; i < sent; ++i) {
    ASSERT_EQ(ReadExactly(b(), message.size()).bytes, message) << i << " of " << sent;
    loop_.Settle();
  }
  const Read end = ReadExactly(b(), 1);
  EXPECT_EQ(end.status, net::IoStatus::kClosed);
  EXPECT_EQ(end.error_number, 0);
  EXPECT_EQ(channel_.watcher().finished, 1);
}

// Closing a socket with unread bytes would show its peer ECONNRESET (Linux, unix(7) sockets).
TEST_P(ChannelEnd, WhoeverStaysSeesAnEndAndNoResetThoughItsOwnWordsWereNotRead) {
  channel_.channel().Advance();
  SendAll(a(), Message(2, 1, 8));
  for (int i = 0; i < 100; ++i) SendAll(b(), Message(11, 5, 8), {file_.get()});
  channel_.ClosePeer(A());
  loop_.Settle();
  const Rest rest = ReadRest(b());
  EXPECT_EQ(rest.bytes, Message(2, 1, 8));
  EXPECT_TRUE(rest.ended);
  EXPECT_EQ(rest.error_number, 0);
  EXPECT_EQ(channel_.watcher().finished, 1);
}

TEST_P(ChannelEnd, WhoeverGoesOnTalkingWhileTheOtherClosesSeesAnEndAndNoReset) {
  const Bytes message = Message(11, 5, 8);
  for (int round = 0; round < 300; ++round) {
    ChannelLoop loop;
    RelayedChannel channel(loop);
    const int talker = channel.peer(B());
    std::atomic<bool> over = false;
    std::thread talks([&] {
      while (!over) net::Send(talker, message, std::vector<int>{file_.get()});
    });
    for (int turn = 0; turn < round % 7; ++turn) loop.loop().Turn(0);
    channel.ClosePeer(A());
    EXPECT_TRUE(loop.TurnUntil([&] { return channel.watcher().finished == 1; }));
    over = true;
    talks.join();
    const Rest rest = ReadRest(talker);
    EXPECT_TRUE(rest.ended);
    ASSERT_EQ(rest.error_number, 0) << "round " << round;
  }
}

TEST_P(ChannelEnd, ATornMessageArrivesTornBeforeTheEnd) {
  for (const size_t cut : {1, 11, 12, 13, 51}) {
    RelayedChannel channel(loop_);
    const Bytes message = Message(9, 9, 40);
    SendAll(channel.peer(A()), Message(2, 1, 8));
    SendAll(channel.peer(A()), std::span(message).first(cut), {file_.get()});
    loop_.Settle();
    channel.ClosePeer(A());
    loop_.Settle();
    EXPECT_EQ(ReadExactly(channel.peer(B()), 20).bytes, Message(2, 1, 8));
    const Rest rest = ReadRest(channel.peer(B()));
    EXPECT_THAT(rest.bytes, SizeIs(cut));
    EXPECT_THAT(rest.inodes, ElementsAre(Inode(file_.get())));
    EXPECT_TRUE(rest.ended);
    EXPECT_EQ(rest.error_number, 0);
    ASSERT_TRUE(channel.watcher().end(A()));
    EXPECT_TRUE(channel.watcher().end(A())->torn);
    EXPECT_EQ(channel.watcher().finished, 1);
  }
}

// Torn where a message that goes on in parts is not complete.
TEST_P(ChannelEnd, ATornMessageBeyondTheBufferArrivesTornBeforeTheEnd) {
  const Bytes message = Message(77, 1, 100'000);
  SendAll(a(), std::span(message).first(50'000), {file_.get()});
  channel_.ClosePeer(A());
  loop_.Settle();
  const Rest rest = ReadRest(b());
  EXPECT_THAT(rest.bytes, SizeIs(50'000));
  EXPECT_THAT(rest.inodes, ElementsAre(Inode(file_.get())));
  EXPECT_TRUE(rest.ended);
  ASSERT_TRUE(channel_.watcher().end(A()));
  EXPECT_TRUE(channel_.watcher().end(A())->torn);
}

// The rest of the channel may live on for long.
TEST_P(ChannelEnd, TheDescriptorsOfATornMessageAreNotKept) {
  const size_t fds = OpenFds();
  const Bytes message = Message(9, 9, 40);
  SendAll(a(), std::span(message).first(30), {file_.get()});
  loop_.Settle();
  EXPECT_EQ(OpenFds(), fds + 1);
  shutdown(a(), SHUT_WR);
  loop_.Settle();
  EXPECT_EQ(OpenFds(), fds);
  EXPECT_THAT(ReadRest(b()).inodes, SizeIs(1));
  EXPECT_EQ(channel_.watcher().finished, 0);
}

TEST_P(ChannelEnd, SendingToAPeerThatIsGoneIsABrokenPipe) {
  channel_.ClosePeer(B());
  loop_.Settle();
  const net::IoResult result = net::Send(a(), Message(2, 1, 8), std::vector<int>{file_.get()});
  EXPECT_EQ(result.status, net::IoStatus::kClosed);
  EXPECT_EQ(result.error_number, EPIPE);
}

TEST_P(ChannelEnd, SendingToAPeerThatReadsNoMoreIsABrokenPipeAndItsOwnWordsStillArrive) {
  shutdown(b(), SHUT_RD);
  SendAll(a(), Message(2, 1, 8), {file_.get()});
  loop_.Settle();
  const net::IoResult result = net::Send(a(), Message(2, 1, 8));
  EXPECT_EQ(result.status, net::IoStatus::kClosed);
  EXPECT_EQ(result.error_number, EPIPE);
  SendAll(b(), Message(3, 1, 8));
  loop_.Settle();
  EXPECT_EQ(ReadExactly(a(), 100).bytes, Message(3, 1, 8));
  EXPECT_EQ(channel_.watcher().finished, 0);
}

TEST_P(ChannelEnd, ADirectionThatIsFullStopsNeitherTheOtherNorAnotherChannel) {
  RelayedChannel other(loop_, vhost::Channel::kBackend);
  const Bytes big = Message(5, 1, 2000);
  do {
    loop_.Settle();
  } while (Fill(a(), big) > 0);
  ASSERT_EQ(channel_.state(A()), PumpState::kBlocked);
  for (int i = 0; i < 1000; ++i) {
    for (const auto& [from, to] : {std::pair(b(), a()), std::pair(other.peer(A()), other.peer(B())),
                                   std::pair(other.peer(B()), other.peer(A()))}) {
      const Bytes message = Message(static_cast<uint32_t>(i), 1, 52);
      SendAll(from, message, {file_.get()});
      loop_.Settle();
      const Read read = ReadExactly(to, 100);
      ASSERT_EQ(read.bytes, message) << i;
      ASSERT_THAT(read.inodes, SizeIs(1)) << i;
    }
  }
  EXPECT_EQ(channel_.state(A()), PumpState::kBlocked);
}

// What a level-triggered wait would spin on.
TEST_P(ChannelEnd, HalfAMessageThatStallsCostsNoTurn) {
  const Bytes message = Message(9, 9, 40);
  SendAll(a(), Message(2, 1, 8));
  SendAll(a(), std::span(message).first(30), {file_.get()});
  loop_.Settle();
  rusage before{};
  getrusage(RUSAGE_THREAD, &before);
  const size_t ran = loop_.loop().Turn(200'000'000);
  rusage after{};
  getrusage(RUSAGE_THREAD, &after);
  EXPECT_EQ(ran, 0U);
  EXPECT_EQ(after.ru_nvcsw - before.ru_nvcsw, 1) << "one sleep for all of the stall";
  SendAll(a(), std::span(message).subspan(30));
  loop_.Settle();
  EXPECT_EQ(ReadExactly(b(), 20).bytes, Message(2, 1, 8));
  const Read read = ReadExactly(b(), 100);
  EXPECT_EQ(read.bytes, message);
  EXPECT_THAT(read.inodes, ElementsAre(Inode(file_.get())));
}

TEST_P(ChannelEnd, APeerThatDoesNotReadCostsNoTurn) {
  const Bytes message = Message(9, 9, 40);
  do {
    loop_.Settle();
  } while (Fill(a(), message) > 0);
  ASSERT_EQ(channel_.state(A()), PumpState::kBlocked);
  EXPECT_EQ(loop_.loop().Turn(200'000'000), 0U);
}

TEST_P(ChannelEnd, DescriptorsThatNobodyReadsCostNoTurn) {
  const Bytes message = Message(9, 9, 40);
  for (size_t i = 0; i < Pump::kMaxFdsInFlight + 10; ++i) SendAll(a(), message, {file_.get()});
  loop_.Settle();
  ASSERT_EQ(channel_.state(A()), PumpState::kBlocked);
  EXPECT_EQ(loop_.loop().Turn(200'000'000), 0U);
  for (size_t i = 0; i < Pump::kMaxFdsInFlight + 10; ++i) {
    const Read read = ReadExactly(b(), message.size());
    ASSERT_EQ(read.bytes, message) << i;
    ASSERT_THAT(read.inodes, SizeIs(1)) << i;
    loop_.Settle();
  }
}

// The table of a process may be full for a moment, because of others.
TEST_P(ChannelEnd, WithoutRoomForADescriptorItsMessageWaitsAndTheLoopRests) {
  const Bytes message = Message(9, 9, 40);
  SendAll(a(), message);
  loop_.Settle();
  ASSERT_EQ(ReadExactly(b(), 100).bytes, message);
  SendAll(a(), message, {file_.get()});
  rlimit limit{};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &limit), 0);
  const int lowest = base::UniqueFd(dup(file_.get())).get();
  const rlimit full{static_cast<rlim_t>(lowest), limit.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &full), 0);
  const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(700);
  int turns = 0;
  for (; std::chrono::steady_clock::now() < end; ++turns) loop_.loop().Turn(100'000'000);
  EXPECT_EQ(channel_.state(A()), PumpState::kRetry);
  EXPECT_LT(turns, 50);
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
  ASSERT_TRUE(loop_.TurnUntil([&] { return channel_.state(A()) == PumpState::kWaiting; }));
  const Read read = ReadExactly(b(), 100);
  EXPECT_EQ(read.bytes, message);
  EXPECT_THAT(read.inodes, ElementsAre(Inode(file_.get())));
}

TEST_P(ChannelEnd, ClosedByUsBothPeersSeeAnEndAndNoDescriptorStays) {
  for (int i = 0; i < 200; ++i) SendAll(a(), Message(9, 9, 40), {file_.get()});
  loop_.Settle();
  channel_.channel().Close();
  EXPECT_TRUE(channel_.channel().finished());
  EXPECT_EQ(channel_.watcher().finished, 0) << "who closes knows";
  for (const int peer : {a(), b()}) {
    const Rest rest = ReadRest(peer);
    EXPECT_TRUE(rest.ended);
    EXPECT_EQ(rest.error_number, 0);
  }
  EXPECT_EQ(loop_.loop().Turn(0), 0U);
}

}  // namespace
}  // namespace shmemd::relay
