// Every misbehaviour of the catalogue, as a front-end sees it.
#include "tests/peers/misbehaviour.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <map>
#include <set>
#include <string>

#include "tests/peers/backend_thread.h"
#include "tests/peers/peers_fixture.h"

namespace shmemd::peers {
namespace {

using Seen = Misbehaviour::Seen;

std::set<std::string> Names(Seen seen) {
  std::set<std::string> names;
  for (const Misbehaviour& misbehaviour : AllMisbehaviours()) {
    if (misbehaviour.seen == seen) names.emplace(misbehaviour.name);
  }
  return names;
}

template <typename Table>
std::set<std::string> Keys(const Table& table) {
  std::set<std::string> names;
  for (const auto& [name, ignored] : table) names.insert(name);
  return names;
}

std::string TestName(std::string name) {
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
}

// What differs in the two answers that tell the features.
const std::map<std::string, std::string> kOffers = {
    {"no-shmem", "00000040 01000000 29860100 00000000"},
    {"no-protocol-features", "00000000 01000000 29864100 00000000"},
    {"no-reply-ack", "00000040 01000000 21864100 00000000"},
    {"no-backend-req", "00000040 01000000 09864100 00000000"},
    {"no-send-fd", "00000040 01000000 29824100 00000000"},
    {"older-bit-20", "00000040 01000000 29861100 00000000"},
    {"older-bit-21", "00000040 01000000 29862100 00000000"},
    {"older-bit-31", "00000040 01000000 29860180 00000000"},
    {"silent", ""},
};

class OfferTest : public PeersTest, public testing::WithParamInterface<std::string> {};

TEST_P(OfferTest, IsMadeAsTheCatalogueSays) {
  const std::string& expected = kOffers.at(GetParam());
  BackendThread backend(MisbehavingScript(GetParam()));
  RawFrontend frontend(backend.socket_path());
  frontend.Send("01000000 01000000 00000000 0f000000 01000000 00000000");
  if (expected.empty()) {
    backend.Stop();
    EXPECT_TRUE(frontend.IsClosedByPeer()) << "something was answered";
    return;
  }
  EXPECT_EQ(frontend.Receive(40), "01000000 05000000 08000000 " + expected.substr(0, 17) +
                                      " 0f000000 05000000 08000000 " + expected.substr(18));
}

INSTANTIATE_TEST_SUITE_P(All, OfferTest, testing::ValuesIn(Keys(kOffers)),
                         [](const auto& instance) { return TestName(instance.param); });

struct Reply {
  std::string begin;  // header, num_regions, padding and the first sizes
  size_t bytes = 2068;
  bool is_closed_then = false;
  size_t fd_count = 0;
};

constexpr char kRegions[] = " 00000004 00000000 00000000 00000000 00000001 00000000";

std::string Begin(const std::string& header_and_count) { return header_and_count + kRegions; }

const std::map<std::string, Reply>& Replies() {
  static const std::map<std::string, Reply> kReplies = {
      {"truncated-reply", {Begin("2c000000 05000000 38000000 03000000 00000000"), 68}},
      {"truncated-span", {Begin("2c000000 05000000 38000000 06000000 00000000"), 68}},
      {"span", {Begin("2c000000 05000000 08080000 06000000 00000000")}},
      {"count-too-small", {Begin("2c000000 05000000 08080000 02000000 00000000")}},
      {"count-zero", {Begin("2c000000 05000000 08080000 00000000 00000000")}},
      {"count-too-large", {Begin("2c000000 05000000 08080000 00010000 00000000")}},
      {"count-300", {Begin("2c000000 05000000 08080000 2c010000 00000000")}},
      {"padding", {Begin("2c000000 05000000 08080000 03000000 efbeadde")}},
      {"no-regions", {"2c000000 05000000 08080000 00000000 00000000 00000000 00000000 00000000"}},
      {"region-255", {Begin("2c000000 05000000 08080000 04000000 00000000")}},
      {"unaligned-size", {Begin("2c000000 05000000 08080000 04000000 00000000")}},
      {"tiny-region", {Begin("2c000000 05000000 08080000 04000000 00000000")}},
      {"huge-region", {Begin("2c000000 05000000 08080000 04000000 00000000")}},
      {"sum-wraps", {Begin("2c000000 05000000 08080000 05000000 00000000")}},
      {"changed-second-answer", {Begin("2c000000 05000000 08080000 03000000 00000000")}},
      {"torn-reply", {Begin("2c000000 05000000 08080000 03000000 00000000")}},
      {"slow-reply", {Begin("2c000000 05000000 08080000 03000000 00000000")}},
      {"wrong-id", {Begin("2b000000 05000000 08080000 03000000 00000000")}},
      {"wrong-flags", {Begin("2c000000 01000000 08080000 03000000 00000000")}},
      {"need-reply-flags", {Begin("2c000000 0d000000 08080000 03000000 00000000")}},
      {"huge-size", {Begin("2c000000 05000000 ffffffff 03000000 00000000")}},
      {"oversize", {Begin("2c000000 05000000 10080000 03000000 00000000"), 2076}},
      {"payload-2057", {Begin("2c000000 05000000 09080000 03000000 00000000"), 2069}},
      {"payload-2055", {Begin("2c000000 05000000 07080000 03000000 00000000"), 2067}},
      {"payload-4", {"2c000000 05000000 04000000 03000000", 16}},
      {"empty-reply", {"2c000000 05000000 00000000", 12}},
      {"short-of-size", {Begin("2c000000 05000000 08080000 03000000 00000000"), 1036}},
      {"reply-with-fd", {Begin("2c000000 05000000 08080000 03000000 00000000"), 2068, false, 1}},
      {"no-reply", {"", 0}},
      {"close-on-query", {"", 0, true}},
      {"close-mid-message", {Begin("2c000000 05000000 08080000 03000000 00000000"), 1034, true}},
      {"garbage", {"a5a5a5a5 a5a5a5a5 a5a5a5a5", 64}},
  };
  return kReplies;
}

class ReplyTest : public PeersTest, public testing::WithParamInterface<std::string> {};

TEST_P(ReplyTest, HasTheBytesThatTheCatalogueSays) {
  const Reply& expected = Replies().at(GetParam());
  BackendThread backend(MisbehavingScript(GetParam()));
  RawFrontend frontend(backend.socket_path());
  frontend.Handshake();
  frontend.Send("2c000000 01000000 00000000");
  size_t fd_count = 0;
  const std::string reply = frontend.Receive(expected.bytes, &fd_count);
  EXPECT_EQ(reply.substr(0, expected.begin.size()), expected.begin);
  EXPECT_EQ(reply.size(), expected.bytes == 0 ? 0 : expected.bytes * 2 + (expected.bytes - 1) / 4);
  EXPECT_EQ(fd_count, expected.fd_count);
  if (expected.is_closed_then) {
    EXPECT_TRUE(frontend.IsClosedByPeer());
    return;
  }
  // Nothing but the next answer follows.
  frontend.Send("11000000 01000000 00000000");
  EXPECT_EQ(frontend.Receive(20), "11000000 05000000 08000000 02000000 00000000");
}

INSTANTIATE_TEST_SUITE_P(All, ReplyTest, testing::ValuesIn(Keys(Replies())),
                         [](const auto& instance) { return TestName(instance.param); });

class MisbehaviourTest : public PeersTest {};

TEST_F(MisbehaviourTest, TheSecondAnswerOfAConnectionChanges) {
  BackendThread backend(MisbehavingScript("changed-second-answer"));
  for (int connection = 0; connection < 2; ++connection) {
    RawFrontend frontend(backend.socket_path());
    frontend.Handshake();
    EXPECT_EQ(frontend.AskConfig().substr(45, 17), "00000004 00000000");
    EXPECT_EQ(frontend.AskConfig().substr(45, 17), "00000008 00000000");
  }
}

TEST_F(MisbehaviourTest, OddSizesStandInTheirPlace) {
  constexpr size_t kCharactersPerEntry = 18;
  const std::map<std::string, std::pair<size_t, std::string>> kSizes = {
      {"region-255", {255, "00001000 00000000"}}, {"unaligned-size", {7, "00180000 00000000"}},
      {"tiny-region", {7, "00020000 00000000"}},  {"huge-region", {7, "00000000 00000080"}},
      {"sum-wraps", {8, "00000000 00000080"}},
  };
  for (const auto& [name, place] : kSizes) {
    BackendThread backend(MisbehavingScript(name));
    RawFrontend frontend(backend.socket_path());
    frontend.Handshake();
    EXPECT_EQ(frontend.AskConfig().substr(45 + place.first * kCharactersPerEntry, 17), place.second) << name;
  }
}

// One request as the test names it: "map 0 at 3000 len 4000 fd_offset 0 flags 1", numbers in hexadecimal,
// with what is odd about its envelope behind it. `!` in front: the test refuses it.
struct Requests {
  std::vector<std::string> expected;
  enum class Then { kOn, kChannelCloses, kMainCloses } then = Then::kOn;
};

uint64_t Number(const std::string& hex, size_t byte, size_t bytes) {
  uint64_t value = 0;
  for (size_t i = 0; i < bytes; ++i) {
    const size_t at = (byte + i) * 2 + (byte + i) / 4;
    if (at + 2 > hex.size()) break;
    value |= uint64_t{std::stoul(hex.substr(at, 2), nullptr, 16)} << (8 * i);
  }
  return value;
}

std::string Text(const std::string& header, const std::string& payload, size_t fd_count) {
  const bool is_map = Number(header, 0, 4) != 10;
  char text[256];
  std::snprintf(text, sizeof(text), "%s %lx at %lx len %lx fd_offset %lx flags %lx", is_map ? "map" : "unmap",
                Number(payload, 0, 1), Number(payload, 16, 8), Number(payload, 24, 8), Number(payload, 8, 8),
                Number(payload, 32, 8));
  std::string all = text;
  if (Number(payload, 1, 1) != 0) all += " padding";
  if (Number(header, 0, 4) > 10) all += " id " + std::to_string(Number(header, 0, 4));
  if (Number(header, 4, 4) != 9) all += " header_flags " + std::to_string(Number(header, 4, 4));
  if (Number(header, 8, 4) != 40) all += " size " + std::to_string(Number(header, 8, 4));
  if (fd_count != (is_map ? 1U : 0U)) all += " fds " + std::to_string(fd_count);
  return all;
}

const std::string kGood = "map 0 at 3000000 len 4000 fd_offset 0 flags 1";
const std::string kGoodUnmap = "unmap 0 at 3000000 len 4000 fd_offset 0 flags 0";

const std::map<std::string, Requests>& RequestTable() {
  using Then = Requests::Then;
  static const std::map<std::string, Requests> kTable = {
      {"overlap", {{kGood, "!map 0 at 3002000 len 4000 fd_offset 0 flags 1", kGoodUnmap}}},
      {"out-of-range",
       {{"!map 0 at 3fff000 len 2000 fd_offset 0 flags 1",
         "!map 0 at 8000000 len 1000 fd_offset 0 flags 1"}}},
      {"unaligned", {{"!map 0 at 3000800 len 4000 fd_offset 0 flags 1"}}},
      {"unaligned-len",
       {{"map 0 at 3000000 len 3800 fd_offset 0 flags 1", "!map 0 at 3003800 len 1000 fd_offset 0 flags 1",
         "unmap 0 at 3000000 len 3800 fd_offset 0 flags 0"}}},
      {"fd-offset-unaligned", {{"!map 0 at 3000000 len 4000 fd_offset 800 flags 1"}}},
      {"unknown-shmid",
       {{"!map 1 at 0 len 1000 fd_offset 0 flags 1", "!map c8 at 0 len 1000 fd_offset 0 flags 1"}}},
      {"wrapping", {{"!map 0 at fffffffffffff000 len 4000 fd_offset 0 flags 1"}}},
      {"fd-offset-wrapping", {{"!map 0 at 3000000 len 4000 fd_offset fffffffffffff000 flags 1"}}},
      {"len-zero", {{"!map 0 at 3000000 len 0 fd_offset 0 flags 1"}}},
      {"len-max",
       {{"!map 0 at 0 len ffffffffffffffff fd_offset 0 flags 1",
         "!unmap 0 at 0 len ffffffffffffffff fd_offset 0 flags 0"}}},
      {"unmap-partial", {{kGood, "!unmap 0 at 3000000 len 2000 fd_offset 0 flags 0", kGoodUnmap}}},
      {"unmap-not-mapped", {{"!unmap 0 at 3000000 len 1000 fd_offset 0 flags 0"}}},
      {"unmap-twice", {{kGood, kGoodUnmap, "!" + kGoodUnmap}}},
      {"two-fds", {{"!" + kGood + " fds 2"}}},
      {"many-fds", {{"!" + kGood + " fds 40"}}},
      {"no-fd", {{"!" + kGood + " fds 0"}}},
      {"unmap-with-fd", {{kGood, "!" + kGoodUnmap + " fds 1"}}},
      {"beyond-eof", {{kGood}}},
      {"empty-file", {{kGood}}},
      {"read-only-fd",
       {{"map 0 at 3000000 len 4000 fd_offset 0 flags 0", "!map 0 at 3008000 len 4000 fd_offset 0 flags 1"}}},
      {"pipe-fd", {{"!" + kGood}}},
      {"truncate-later", {{kGood}}},
      {"unknown-flags", {{"map 0 at 3000000 len 4000 fd_offset 0 flags f1"}}},
      {"map-padding", {{kGood + " padding", kGoodUnmap}}},
      {"map-without-ack", {{kGood + " header_flags 1", kGoodUnmap + " header_flags 1"}}},
      {"short-map", {{"!map 0 at 3000000 len 4000 fd_offset 0 flags 0 size 32"}}},
      {"long-map", {{"!" + kGood + " size 48"}}},
      {"reserved-flags", {{"!" + kGood + " header_flags 25"}}},
      {"unknown-request", {{"!" + kGood + " id 11"}}},
      {"older-map", {{"!map 0 at 3000000 len 4000 fd_offset 0 flags 0 id 1000 size 32"}}},
      {"torn-map", {{kGood, kGoodUnmap}}},
      {"close-channel", {{}, Then::kChannelCloses}},
      {"disconnect", {{}, Then::kMainCloses}},
  };
  return kTable;
}

// These three do not follow the rhythm of one request, one answer, and have tests of their own.
const std::set<std::string> kApart = {"pipelined", "huge-map-size", "half-map"};

constexpr size_t kLiveMaps = 6;

class RequestTest : public PeersTest, public testing::WithParamInterface<std::string> {};

TEST_P(RequestTest, SendsWhatTheCatalogueSays) {
  const Requests& requests = RequestTable().at(GetParam());
  BackendThread backend(MisbehavingScript(GetParam()));
  RawFrontend frontend(backend.socket_path());
  frontend.Handshake();
  frontend.AskConfig();
  frontend.TakeMaps(kLiveMaps);
  for (const std::string& expected : requests.expected) {
    size_t fd_count = 0;
    const std::string header = frontend.ReceiveRequest(12, &fd_count);
    const std::string payload = frontend.ReceiveRequest(Number(header, 8, 4));
    const bool is_refused = expected[0] == '!';
    EXPECT_EQ((is_refused ? "!" : "") + Text(header, payload, fd_count), expected);
    if ((Number(header, 4, 4) & 8) == 0) continue;
    frontend.Answer(header.substr(0, 8) + " 05000000 08000000 " +
                    (is_refused ? "eaffffff ffffffff" : "00000000 00000000"));
  }
  if (requests.then == Requests::Then::kChannelCloses) {
    EXPECT_TRUE(frontend.IsBackendChannelClosed());
  } else if (requests.then == Requests::Then::kMainCloses) {
    EXPECT_TRUE(frontend.IsClosedByPeer());
  } else {
    // Back to the buffer that comes and goes.
    EXPECT_EQ(frontend.ReceiveRequest(52).substr(63, 17), "00000002 00000000");
  }
  EXPECT_EQ(backend.transcript().unexpected_count(), 0U)
      << testing::PrintToString(backend.transcript().lines());
}

INSTANTIATE_TEST_SUITE_P(All, RequestTest, testing::ValuesIn(Keys(RequestTable())),
                         [](const auto& instance) { return TestName(instance.param); });

TEST_F(MisbehaviourTest, PipelinedRequestsDoNotWaitForAnswers) {
  BackendThread backend(MisbehavingScript("pipelined"));
  RawFrontend frontend(backend.socket_path());
  frontend.Handshake();
  frontend.AskConfig();
  frontend.TakeMaps(kLiveMaps);
  constexpr int kMaps = 64;
  for (int i = 0; i < 2 * kMaps; ++i) {
    EXPECT_EQ(frontend.ReceiveRequest(52).substr(0, 8), i < kMaps ? "09000000" : "0a000000");
  }
  for (int i = 0; i < 2 * kMaps; ++i) {
    frontend.Answer(std::string(i < kMaps ? "09000000" : "0a000000") +
                    " 05000000 08000000 00000000 00000000");
  }
  EXPECT_TRUE(backend.transcript().WaitFor("unmap shmid 0 shm_offset 0x303f000 len 0x1000 -> 0"));
  EXPECT_EQ(backend.transcript().unexpected_count(), 0U);
}

TEST_F(MisbehaviourTest, HalfAMapIsFollowedByTheEndOfTheChannel) {
  BackendThread backend(MisbehavingScript("half-map"));
  RawFrontend frontend(backend.socket_path());
  frontend.Handshake();
  frontend.AskConfig();
  frontend.TakeMaps(kLiveMaps);
  EXPECT_EQ(frontend.ReceiveRequest(52), "09000000 09000000 28000000 00000000 00000000");
  frontend.Send("11000000 01000000 00000000");
  EXPECT_EQ(frontend.Receive(20), "11000000 05000000 08000000 02000000 00000000");
}

TEST_F(MisbehaviourTest, AHugeMapSizeIsFollowedByTheEndOfTheChannel) {
  Script script = MisbehavingScript("huge-map-size");
  script.ack_timeout = std::chrono::milliseconds(200);
  BackendThread backend(script);
  RawFrontend frontend(backend.socket_path());
  frontend.Handshake();
  frontend.AskConfig();
  frontend.TakeMaps(kLiveMaps);
  EXPECT_EQ(frontend.ReceiveRequest(52).substr(0, 26), "09000000 09000000 ffffffff");
  EXPECT_TRUE(frontend.IsBackendChannelClosed());
}

TEST_F(MisbehaviourTest, TruncateLaterTakesTheFileAway) {
  BackendThread backend(MisbehavingScript("truncate-later"));
  RawFrontend frontend(backend.socket_path());
  frontend.Handshake();
  frontend.AskConfig();
  frontend.TakeMaps(kLiveMaps + 1);
  EXPECT_TRUE(backend.transcript().WaitFor("truncate shmid 0 shm_offset 0x3000000 to 0x0 -> 0"));
}

TEST_F(MisbehaviourTest, EachIsTestedHere) {
  std::set<std::string> requests = Keys(RequestTable());
  requests.insert(kApart.begin(), kApart.end());
  EXPECT_EQ(Names(Seen::kOffer), Keys(kOffers));
  EXPECT_EQ(Names(Seen::kConfigReply), Keys(Replies()));
  EXPECT_EQ(Names(Seen::kBackendChannel), requests);
}

TEST_F(MisbehaviourTest, EachLeavesTheRestOfTheBackEndAsItWas) {
  for (const Misbehaviour& misbehaviour : AllMisbehaviours()) {
    Script script = DefaultScript();
    misbehaviour.apply(script);
    EXPECT_NE(script, DefaultScript()) << misbehaviour.name;
    EXPECT_EQ(FindMisbehaviour(misbehaviour.name), &misbehaviour);
    if (misbehaviour.seen != Seen::kConfigReply) {
      EXPECT_EQ(script.regions, DefaultScript().regions);
    }
    if (misbehaviour.seen != Seen::kOffer) {
      EXPECT_EQ(script.features, DefaultScript().features);
    }
    if (misbehaviour.seen != Seen::kBackendChannel) {
      EXPECT_EQ(script.steps, DefaultScript().steps);
    }
  }
  EXPECT_EQ(FindMisbehaviour("none-of-them"), nullptr);
}

}  // namespace
}  // namespace shmemd::peers
