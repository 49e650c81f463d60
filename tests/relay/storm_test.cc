// Many random messages, both channels and both directions at once: nothing is lost, reordered, merged or
// doubled, and each descriptor arrives with its message.
//
// SHMEMD_STORM_SEED repeats a run, SHMEMD_STORM_MESSAGES makes it longer or shorter.
#include <absl/strings/str_cat.h>
#include <sys/socket.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <random>

#include "tests/relay/random_flow.h"
#include "tests/relay/relayed_session.h"

namespace shmemd::relay {
namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr uint64_t kMessages = 40'000;
#else
constexpr uint64_t kMessages = 1'000'000;
#endif
constexpr uint64_t kRounds = 40;
constexpr uint64_t kMostIdleSteps = 2'000'000;

uint64_t FromEnvironment(const char* name, uint64_t otherwise) {
  const char* value = std::getenv(name);
  return value == nullptr ? otherwise : std::strtoull(value, nullptr, 0);
}

// A flow in each direction of both channels of a session.
class Storm {
 public:
  Storm(ChannelLoop& loop, uint64_t seed, const RandomFiles& files, uint64_t messages)
      : loop_(loop), random_(seed), session_(loop, Options(), SendBufferBytes()) {
    session_.OpenBackendChannel();
    for (const vhost::Channel channel : {vhost::Channel::kMain, vhost::Channel::kBackend}) {
      for (const Sender sender : {Sender::kFrontend, Sender::kBackend}) {
        LimitBuffers(session_.peer(channel, sender));
        flows_.emplace_back(
            random_.Next(), channel,
            RandomFlow::Ends{session_.peer(channel, sender), session_.peer(channel, OtherSide(sender))},
            files, messages / 4);
      }
    }
  }

  // Empty when every message arrived as it was sent.
  std::string Run() {
    uint64_t idle = 0;
    uint64_t last = 0;
    while (!Done()) {
      Step();
      for (const RandomFlow& flow : flows_) {
        if (!flow.wrong().empty()) return flow.wrong();
        if (flow.ended()) return "an end that nobody asked for";
      }
      const uint64_t now = MessagesRead();
      idle = now == last ? idle + 1 : 0;
      last = now;
      if (idle > kMostIdleSteps) return absl::StrCat("stands still after ", now, " messages");
    }
    return NothingBehind() ? "" : "more arrived than was sent";
  }

 private:
  void Step() {
    RandomFlow& flow = flows_[random_.Below(flows_.size())];
    const uint64_t times = 1 + random_.Below(8);
    switch (random_.Below(3)) {
      case 0:
        for (uint64_t i = 0; i < times; ++i) flow.Write();
        break;
      case 1:
        for (uint64_t i = 0; i < times; ++i) flow.Read();
        break;
      default:
        loop_.loop().Turn(0);
    }
  }

  bool Done() const {
    return std::all_of(flows_.begin(), flows_.end(), [](const RandomFlow& flow) { return flow.done(); });
  }
  uint64_t MessagesRead() const {
    uint64_t sum = 0;
    for (const RandomFlow& flow : flows_) sum += flow.messages_read();
    return sum;
  }
  bool NothingBehind() {
    loop_.Settle();
    for (RandomFlow& flow : flows_) {
      for (int i = 0; i < 5000; ++i) flow.Read();
      if (!flow.wrong().empty() || flow.ended()) return false;
    }
    return true;
  }

  session::TrackerOptions Options() {
    session::TrackerOptions options;
    options.guard = random_.OneIn(2) ? state::Guard::kWarn : state::Guard::kOff;
    return options;
  }

  // The kernel's smallest, something small, or (0) as it is.
  int SendBufferBytes() { return random_.OneOf(std::vector<int>{0, 1, 16384}); }
  void LimitBuffers(int socket) {
    const int bytes = SendBufferBytes();
    if (bytes == 0) return;
    setsockopt(socket, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
    setsockopt(socket, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
  }

  ChannelLoop& loop_;
  Random random_;
  RelayedSession session_;
  std::vector<RandomFlow> flows_;
};

TEST(StormTest, EveryMessageAndDescriptorArrivesOnceInOrder) {
  const uint64_t seed = FromEnvironment("SHMEMD_STORM_SEED", std::random_device{}());
  const uint64_t messages = FromEnvironment("SHMEMD_STORM_MESSAGES", kMessages);
  const auto begin = std::chrono::steady_clock::now();
  const RandomFiles files;
  ChannelLoop loop;
  const size_t fds = OpenFds();
  for (uint64_t round = 0; round < kRounds; ++round) {
    const std::string wrong = Storm(loop, seed + round, files, messages / kRounds).Run();
    ASSERT_EQ(wrong, "") << "SHMEMD_STORM_SEED=" << seed << ", round " << round;
    loop.Settle();
    ASSERT_EQ(OpenFds(), fds);
  }
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
  std::printf("seed %llu: %llu messages in %.1f s\n", static_cast<unsigned long long>(seed),
              static_cast<unsigned long long>(messages), took.count());
}

}  // namespace
}  // namespace shmemd::relay
