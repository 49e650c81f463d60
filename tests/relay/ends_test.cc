// Sessions that end in any way at any point of any traffic: what was written before arrives, whoever stays
// sees an end, and nothing is left behind.
//
// SHMEMD_ENDS_SEED repeats a run, SHMEMD_ENDS makes it longer or shorter.
#include <absl/strings/str_cat.h>
#include <malloc.h>
#include <sys/wait.h>

#include <csignal>
#include <cstdlib>
#include <random>

#include "tests/relay/random_flow.h"
#include "tests/relay/relayed_session.h"

namespace shmemd::relay {
namespace {

using vhost::Channel;

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kSanitized = true;
constexpr uint64_t kEnds = 1000;
#else
constexpr bool kSanitized = false;
constexpr uint64_t kEnds = 10'000;
#endif
constexpr uint64_t kEndless = 1'000'000;
constexpr uint64_t kMostSteps = 400;
constexpr size_t kMostGrowthBytes = size_t{256} << 10;

uint64_t FromEnvironment(const char* name, uint64_t otherwise) {
  const char* value = std::getenv(name);
  return value == nullptr ? otherwise : std::strtoull(value, nullptr, 0);
}

size_t Threads() {
  return static_cast<size_t>(std::distance(std::filesystem::directory_iterator("/proc/self/task"),
                                           std::filesystem::directory_iterator()));
}

enum class End : uint64_t {
  kProcess,         // both sockets of a side at once
  kMain,            // the main channel of a side; it keeps its back-end channel
  kBackendChannel,  // first the back-end channel, some traffic later all of that side
  kShutdown,        // half of a channel, some traffic later all of that side
  kTorn,            // both sockets, with half a message behind the rest on each
  kBoth,            // both sides at once
  kOurs,            // the session is closed by its owner
  kKilled,          // a process that is killed while it writes
};
constexpr uint64_t kEndsWithoutKill = 7;
constexpr uint64_t kKilledOneIn = 20;

class RandomEnd {
 public:
  RandomEnd(ChannelLoop& loop, uint64_t seed, const RandomFiles& files)
      : loop_(loop),
        random_(seed),
        session_(loop, {}, random_.OneIn(2) ? 1 : 0),
        side_(random_.OneIn(2) ? Sender::kFrontend : Sender::kBackend),
        end_(random_.OneIn(kKilledOneIn) ? End::kKilled : static_cast<End>(random_.Below(kEndsWithoutKill))) {
    session_.OpenBackendChannel();
    if (random_.OneIn(10)) session_.OpenBackendChannel();
    for (const Channel channel : {Channel::kMain, Channel::kBackend}) {
      for (const Sender sender : {Sender::kFrontend, Sender::kBackend}) {
        flows_.emplace_back(
            random_.Next(), channel,
            RandomFlow::Ends{session_.peer(channel, sender), session_.peer(channel, OtherSide(sender))},
            files, kEndless);
      }
    }
  }

  // Empty when all was as it should be.
  std::string Run() {
    for (uint64_t steps = random_.Below(kMostSteps); steps > 0; --steps) Step();
    const bool peers_end = MakeEnd();
    if (peers_end && !ReadToTheEnd()) return What("the session is not over");
    for (const RandomFlow& flow : flows_) {
      if (!flow.wrong().empty() && end_ != End::kKilled && end_ != End::kTorn) return What(flow.wrong());
    }
    return peers_end ? CheckSurvivor() : "";
  }

 private:
  void Step() {
    RandomFlow& flow = flows_[random_.Below(flows_.size())];
    const uint64_t which = random_.Below(3);
    for (uint64_t times = 1 + random_.Below(8); times > 0; --times) {
      if (which == 0) flow.Write();
      if (which == 1) flow.Read();
    }
    if (which == 2) loop_.loop().Turn(0);
  }

  RandomFlow& Flow(Channel channel, Sender sender) {
    return flows_[static_cast<size_t>(channel) * 2 + static_cast<size_t>(sender)];
  }

  // False when nobody is left who could see it.
  bool MakeEnd() {
    switch (end_) {
      case End::kProcess:
        session_.ClosePeer(side_);
        return true;
      case End::kMain:
        session_.ClosePeer(Channel::kMain, side_);
        return true;
      case End::kBackendChannel:
        session_.ClosePeer(Channel::kBackend, side_);
        SomeMore();
        session_.ClosePeer(side_);
        return true;
      case End::kShutdown:
        shutdown(session_.peer(random_.OneIn(2) ? Channel::kMain : Channel::kBackend, side_),
                 random_.OneIn(2) ? SHUT_WR : SHUT_RD);
        SomeMore();
        session_.ClosePeer(side_);
        return true;
      case End::kTorn:
        for (const Channel channel : {Channel::kMain, Channel::kBackend}) {
          const Bytes message = Message(9, 9, 40);
          net::Send(session_.peer(channel, side_), std::span(message).first(1 + random_.Below(51)));
        }
        session_.ClosePeer(side_);
        return true;
      case End::kBoth:
        session_.ClosePeer(Sender::kFrontend);
        session_.ClosePeer(Sender::kBackend);
        EXPECT_TRUE(loop_.TurnUntil([&] { return session_.over(); })) << "both sides ended";
        return false;
      case End::kOurs:
        session_.session().Close();
        return false;
      case End::kKilled:
        KillWhoWrites();
        return true;
    }
    return false;
  }

  void SomeMore() {
    for (uint64_t steps = random_.Below(50); steps > 0; --steps) {
      if (random_.OneIn(2)) {
        loop_.loop().Turn(0);
      } else {
        Flow(random_.OneIn(2) ? Channel::kMain : Channel::kBackend, OtherSide(side_)).Read();
      }
    }
  }

  // The sockets of `side_` live in another process only, which writes until it is killed.
  void KillWhoWrites() {
    const int main = session_.peer(Channel::kMain, side_);
    const int backend = session_.peer(Channel::kBackend, side_);
    const Bytes message = Message(5, 1, 100);
    const pid_t child = fork();
    if (child == 0) {
      dup2(main, 0);
      dup2(backend, 1);
      close_range(2, ~0U, 0);
      while (true) {
        (void)send(0, message.data(), message.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
        (void)send(1, message.data(), message.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
      }
    }
    ASSERT_GT(child, 0);
    session_.ClosePeer(side_);
    for (uint64_t turns = random_.Below(30); turns > 0; --turns) loop_.loop().Turn(0);
    kill(child, SIGKILL);
    EXPECT_EQ(waitpid(child, nullptr, 0), child);
  }

  // Whoever stays reads until both channels end, at its own pace, then closes.
  bool ReadToTheEnd() {
    std::array<bool, 2> drained{};
    return loop_.TurnUntil(
        [&] {
          for (const Channel channel : {Channel::kMain, Channel::kBackend}) {
            bool& done = drained[static_cast<size_t>(channel)];
            if (done) continue;
            RandomFlow& flow = Flow(channel, side_);
            for (int i = 0; i < 50 && !done; ++i) done = !flow.Read();
            if (!done) continue;
            if (!flow.ended()) ReadUnchecked(channel);
          }
          return session_.over() && drained[0] && drained[1];
        },
        0);
  }

  // Behind what this process wrote, what another did.
  void ReadUnchecked(Channel channel) {
    EXPECT_TRUE(loop_.TurnUntil([&] {
      rest_ = ReadRest(session_.peer(channel, OtherSide(side_)));
      return rest_.ended;
    })) << What("no end");
    if (rest_.error_number != 0) unchecked_error_ = rest_.error_number;
  }

  std::string CheckSurvivor() {
    if (unchecked_error_ != 0) return What(absl::StrCat("errno ", unchecked_error_, " instead of an end"));
    for (const Channel channel : {Channel::kMain, Channel::kBackend}) {
      const RandomFlow& flow = Flow(channel, side_);
      if (flow.end_error() != 0) return What(absl::StrCat("errno ", flow.end_error(), " instead of an end"));
      if (end_ != End::kProcess && end_ != End::kMain) continue;
      if (end_ == End::kMain && channel == Channel::kBackend) continue;
      if (flow.bytes_read() != flow.bytes_written())
        return What(absl::StrCat(flow.bytes_written(), " bytes written, ", flow.bytes_read(), " read"));
    }
    return "";
  }

  std::string What(const std::string& what) const {
    return absl::StrCat("end ", static_cast<uint64_t>(end_), " of the ", SideName(side_), ": ", what);
  }

  ChannelLoop& loop_;
  Random random_;
  RelayedSession session_;
  const Sender side_;
  const End end_;
  std::vector<RandomFlow> flows_;
  Rest rest_;
  int unchecked_error_ = 0;
};

size_t HeapBytes() { return mallinfo2().uordblks; }

TEST(EndsTest, NothingIsLeftOfASessionWhereverItEnded) {
  const uint64_t seed = FromEnvironment("SHMEMD_ENDS_SEED", std::random_device{}());
  const uint64_t ends = FromEnvironment("SHMEMD_ENDS", kEnds);
  const RandomFiles files;
  ChannelLoop loop;
  const size_t fds = OpenFds();
  const size_t threads = Threads();
  size_t heap = 0;
  for (uint64_t round = 0; round < ends; ++round) {
    const std::string wrong = RandomEnd(loop, seed + round, files).Run();
    ASSERT_EQ(wrong, "") << "SHMEMD_ENDS_SEED=" << seed + round;
    ASSERT_EQ(loop.loop().watch_count(), 0U) << "SHMEMD_ENDS_SEED=" << seed + round;
    ASSERT_EQ(loop.loop().timer_count(), 0U) << "SHMEMD_ENDS_SEED=" << seed + round;
    ASSERT_EQ(OpenFds(), fds) << "SHMEMD_ENDS_SEED=" << seed + round;
    ASSERT_EQ(Threads(), threads);
    if (round == ends / 10) heap = HeapBytes();
  }
  // LeakSanitizer looks at it in its own way.
  if (!kSanitized) {
    EXPECT_LT(HeapBytes(), heap + kMostGrowthBytes);
  }
  std::printf("seed %llu: %llu ends\n", static_cast<unsigned long long>(seed),
              static_cast<unsigned long long>(ends));
}

}  // namespace
}  // namespace shmemd::relay
