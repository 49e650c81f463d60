// The main channel: which answer belongs to which request, as the peers of a relay really answer.
#include <gtest/gtest.h>

#include "tests/session/tracker_fixture.h"

namespace shmemd::session {
namespace {

using state::FindingCode;
using state::UnobservedReason;
using vhost::Channel;

constexpr uint64_t kLogShmfd = Mask(ProtocolFeature::kLogShmfd);

uint32_t OldestOnMain(const Conversation& talk) { return talk.tracker.OldestPending(Channel::kMain); }

// Nothing waits and everything was followed.
void ExpectPaired(const Conversation& talk) {
  EXPECT_TRUE(talk.observed());
  EXPECT_EQ(OldestOnMain(talk), 0u);
}

TEST(AnswerRules, FollowTheTableAndWhatWasAgreedOn) {
  struct Row {
    const char* name;
    Channel channel;
    uint32_t id;
    uint32_t flags;
    AnswerContext context;
    AnswerRule rule;
  };
  constexpr AnswerContext kNothing{};
  constexpr AnswerContext kAck{.reply_ack = true};
  constexpr AnswerContext kLog{.log_shmfd = true};
  constexpr AnswerContext kPostcopy{.reply_ack = true, .postcopy_listening = true};
  const Row rows[] = {
      {"a reply of its own", Channel::kMain, 1, 0x1, kNothing, AnswerRule::kExpected},
      {"NEED_REPLY does not make two", Channel::kMain, 44, 0x9, kAck, AnswerRule::kExpected},
      {"no ack without NEED_REPLY", Channel::kMain, 5, 0x1, kAck, AnswerRule::kNone},
      {"an ack with both", Channel::kMain, 5, 0x9, kAck, AnswerRule::kExpected},
      {"peers differ without REPLY_ACK", Channel::kMain, 5, 0x9, kNothing, AnswerRule::kMaybe},
      {"SET_LOG_BASE without LOG_SHMFD", Channel::kMain, 6, 0x1, kAck, AnswerRule::kNone},
      {"SET_LOG_BASE with LOG_SHMFD", Channel::kMain, 6, 0x1, kLog, AnswerRule::kExpected},
      {"postcopy SET_MEM_TABLE", Channel::kMain, 5, 0x1, kPostcopy, AnswerRule::kExpected},
      {"postcopy ADD_MEM_REG", Channel::kMain, 37, 0x1, kPostcopy, AnswerRule::kExpected},
      {"postcopy REM_MEM_REG", Channel::kMain, 38, 0x1, kPostcopy, AnswerRule::kNone},
      {"IOTLB_MSG without REPLY_ACK", Channel::kMain, 22, 0x9, kNothing, AnswerRule::kMaybe},
      {"IOTLB_MSG with REPLY_ACK", Channel::kMain, 22, 0x9, kAck, AnswerRule::kExpected},
      {"an unknown id", Channel::kMain, 77, 0x1, kAck, AnswerRule::kNone},
      {"an unknown id that asks", Channel::kMain, 77, 0x9, kAck, AnswerRule::kMaybe},
      {"SHMEM_MAP that asks", Channel::kBackend, 9, 0x9, kAck, AnswerRule::kExpected},
      {"SHMEM_MAP that does not", Channel::kBackend, 9, 0x1, kAck, AnswerRule::kNone},
      {"SHARED_OBJECT_LOOKUP", Channel::kBackend, 8, 0x1, kAck, AnswerRule::kMaybe},
      {"crosvm GPU_MAP that asks", Channel::kBackend, 1006, 0x9, kAck, AnswerRule::kExpected},
  };
  for (const Row& row : rows) {
    EXPECT_EQ(AnswerRuleOf(row.channel, {row.id, row.flags, 0}, row.context), row.rule) << row.name;
  }
}

TEST(TrackerPairing, EveryMessageOfTheTableIsPairedWithItsAnswer) {
  for (const bool reply_ack : {true, false}) {
    for (const uint32_t flags : {0x1u, 0x9u}) {
      for (const vhost::MessageInfo& info : vhost::Messages(Channel::kMain)) {
        Conversation talk;
        const uint64_t features = reply_ack ? kAllFeatures : kAllFeatures & ~Mask(ProtocolFeature::kReplyAck);
        talk.Negotiate(features | kLogShmfd, features | kLogShmfd);
        talk.Say(Channel::kMain, Sender::kFrontend, {info.id, flags, 0},
                 std::vector<uint8_t>(info.request.payload_bytes.min));
        if (OldestOnMain(talk) != 0) talk.Reply(info.id, std::vector<uint8_t>(info.reply.payload_bytes.min));
        talk.Ask(FrontendRequest::kGetQueueNum);
        talk.ReplyU64(FrontendRequest::kGetQueueNum, 1);
        ExpectPaired(talk);
      }
    }
  }
}

TEST(TrackerPairing, LogBaseIsAnsweredWith8Or16Bytes) {
  for (const size_t bytes : {size_t{8}, size_t{16}}) {
    Conversation talk;
    talk.Negotiate(kAllFeatures | kLogShmfd, kAllFeatures | kLogShmfd);
    talk.Ask(FrontendRequest::kSetLogBase, std::vector<uint8_t>(16), 0x1, {base::FdFacts{}});
    EXPECT_EQ(OldestOnMain(talk), 6u);
    talk.Reply(FrontendRequest::kSetLogBase, std::vector<uint8_t>(bytes));
    ExpectPaired(talk);
  }
}

TEST(TrackerPairing, PostcopyMemoryMessagesAreAnsweredAndConfirmedWithoutAnAnswer) {
  Conversation talk;
  talk.Negotiate();
  talk.Ask(FrontendRequest::kPostcopyAdvise);
  talk.Say(Channel::kMain, Sender::kBackend, {28, 0x5, 0}, {}, {base::FdFacts{}});
  talk.Ask(FrontendRequest::kPostcopyListen, {}, 0x9);
  talk.ReplyU64(FrontendRequest::kPostcopyListen, 0);
  for (const FrontendRequest request : {FrontendRequest::kSetMemTable, FrontendRequest::kAddMemReg}) {
    talk.Ask(request, BytesOf(vhost::SingleMemoryRegion{}), 0x1, {FileOf(7)});
    EXPECT_EQ(OldestOnMain(talk), Id(request));
    talk.Reply(request, BytesOf(vhost::SingleMemoryRegion{}));
    talk.AskU64(request, 0);
    EXPECT_TRUE(talk.decoded);
    ExpectPaired(talk);
  }
  talk.Ask(FrontendRequest::kPostcopyEnd, {}, 0x9);
  talk.ReplyU64(FrontendRequest::kPostcopyEnd, 0);
  talk.SetMemTable({Ram()});
  ExpectPaired(talk);
}

TEST(TrackerPairing, GetVringBaseMayTakeAsLongAsItWants) {
  Conversation talk;
  talk.Negotiate();
  talk.Start();
  talk.AskRing(FrontendRequest::kGetVringBase, 0);
  EXPECT_EQ(talk.tracker.NextDeadline(), INT64_MAX);
  talk.MapDone();  // the back-end goes on until its worker is quiet
  talk.now_ns += 600'000'000'000;
  talk.Reply(FrontendRequest::kGetVringBase, BytesOf(vhost::VringState{}));
  ExpectPaired(talk);
}

TEST(TrackerPairing, FeaturesAskedAsABarrierAreAnsweredEachTime) {
  Conversation talk;
  talk.Negotiate();
  const size_t before = talk.Published<state::FeaturesSeen>().size();
  for (int i = 0; i < 3; ++i) {
    talk.AskRing(FrontendRequest::kSetVringEnable, 0, 1);
    EXPECT_EQ(talk.Ask(FrontendRequest::kGetFeatures), Verdict::kForward);
    talk.ReplyU64(FrontendRequest::kGetFeatures, kVirtioFeatures);
  }
  ExpectPaired(talk);
  EXPECT_EQ(talk.Published<state::FeaturesSeen>().size(), before);
}

TEST(TrackerPairing, AnIotlbMissIsNestedAcrossTheChannels) {
  Conversation talk;
  talk.Negotiate();
  talk.BackendAsks(Id(BackendRequest::kIotlbMsg), BytesOf(vhost::IotlbMessage{}), 0x9);
  talk.Ask(FrontendRequest::kIotlbMsg, BytesOf(vhost::IotlbMessage{}), 0x9);
  talk.ReplyU64(FrontendRequest::kIotlbMsg, 0);
  talk.VmmAnswers(BackendRequest::kIotlbMsg, 0);
  ExpectPaired(talk);
  EXPECT_EQ(talk.tracker.OldestPending(Channel::kBackend), 0u);
}

TEST(TrackerPairing, QemuAsksForASharedObjectWithoutAPayload) {
  Conversation talk;
  talk.Negotiate();
  talk.Ask(FrontendRequest::kGetSharedObject);
  talk.Say(Channel::kMain, Sender::kBackend, {41, 0x5, 0}, {}, {base::FdFacts{}});
  ExpectPaired(talk);
}

TEST(TrackerPairing, DeviceStateCarriesDescriptorsBothWays) {
  Conversation talk;
  talk.Negotiate();
  talk.Ask(FrontendRequest::kSetDeviceStateFd, BytesOf(vhost::DeviceStateTransfer{}), 0x1, {base::FdFacts{}});
  talk.Say(Channel::kMain, Sender::kBackend, {42, 0x5, 0}, BytesOf(uint64_t{0}), {base::FdFacts{}});
  ExpectPaired(talk);
}

TEST(TrackerPairing, UnknownMessagesPassAndAreNoted) {
  Conversation talk;
  talk.Negotiate();
  EXPECT_EQ(talk.Say(Channel::kMain, Sender::kFrontend, {77, 0x1, 0}, {1, 2, 3}), Verdict::kForward);
  EXPECT_TRUE(talk.IsOpen(FindingCode::kMessageUnknown));
  EXPECT_EQ(talk.Reply(77, {}), Verdict::kForward);  // though it did not ask for one
  ExpectPaired(talk);
  talk.Say(Channel::kMain, Sender::kFrontend, {78, 0x9, 0}, {});
  talk.Ask(FrontendRequest::kGetQueueNum);
  talk.Reply(78, {});
  talk.ReplyU64(FrontendRequest::kGetQueueNum, 1);
  ExpectPaired(talk);
}

TEST(TrackerPairing, AnAnswerOutOfOrderEndsObservationOfAnswersOnly) {
  Conversation talk;
  talk.Negotiate();
  talk.Start();
  talk.Ask(FrontendRequest::kGetQueueNum);
  talk.Ask(FrontendRequest::kGetMaxMemSlots);
  EXPECT_EQ(talk.ReplyU64(FrontendRequest::kGetMaxMemSlots, 509), Verdict::kForward);
  EXPECT_EQ(talk.status().observation.reason, UnobservedReason::kPairingLost);
  EXPECT_FALSE(talk.status().observation.on_backend_channel);
  EXPECT_EQ(talk.status().observation.expected, 17u);
  EXPECT_EQ(talk.status().observation.got, 36u);
  // The configuration is not believed, maps and the device's state are.
  talk.AskConfig();
  EXPECT_EQ(talk.status().config.source, state::ConfigSource::kNotSeen);
  talk.MapDone();
  EXPECT_EQ(talk.Mappings().size(), 1u);
  talk.Stop();
  EXPECT_EQ(talk.status().device_state, state::DeviceState::kStopped);
}

TEST(TrackerPairing, MoreThan64RequestsWithoutAnswerEndObservation) {
  Conversation talk;
  talk.Negotiate();
  for (int i = 0; i < 64; ++i) talk.Ask(FrontendRequest::kGetFeatures);
  EXPECT_TRUE(talk.observed());
  talk.Ask(FrontendRequest::kGetFeatures);
  EXPECT_EQ(talk.status().observation.reason, UnobservedReason::kTooManyPending);
}

TEST(TrackerPairing, RequestsThatNobodyHasToAnswerNeverFillTheQueue) {
  Conversation talk;
  const uint64_t features = kAllFeatures & ~Mask(ProtocolFeature::kReplyAck);
  talk.Negotiate(features, features);
  for (uint32_t i = 0; i < 1000; ++i) talk.AskRing(FrontendRequest::kSetVringNum, 0, 64, 0x9);
  EXPECT_TRUE(talk.observed());
  talk.Ask(FrontendRequest::kGetFeatures);
  talk.ReplyU64(FrontendRequest::kGetFeatures, kVirtioFeatures);
  ExpectPaired(talk);
}

TEST(TrackerPairing, AMessageTooLargeToLookIntoEndsObservation) {
  for (const Channel channel : {Channel::kMain, Channel::kBackend}) {
    Conversation talk;
    talk.Negotiate();
    talk.Start();
    talk.MapDone();
    const PassingMessage message{.channel = channel,
                                 .sender = Sender::kBackend,
                                 .header = {5, 0x5, 1u << 20},
                                 .payload = {},
                                 .fd_count = 0,
                                 .cut = true,
                                 .now_ns = talk.now_ns};
    EXPECT_EQ(talk.tracker.Judge(message), Verdict::kForward);
    EXPECT_FALSE(talk.tracker.Passed(message, Verdict::kForward, {}));
    EXPECT_TRUE(talk.IsOpen(FindingCode::kMessageTooLarge));
    EXPECT_EQ(talk.status().observation.reason, UnobservedReason::kMessageTooLarge);
    EXPECT_EQ(talk.status().observation.on_backend_channel, channel == Channel::kBackend);
  }
}

TEST(TrackerPairing, OddHeadersAreFindingsAndStillBelong) {
  for (const uint32_t flags : {0x0u, 0x2u, 0x11u, 0x5u, 0x80000001u}) {
    Conversation talk;
    talk.Negotiate();
    talk.Ask(FrontendRequest::kGetQueueNum, {}, flags);
    EXPECT_TRUE(talk.IsOpen(FindingCode::kHeaderOdd)) << flags;
    talk.ReplyU64(FrontendRequest::kGetQueueNum, 1);
    ExpectPaired(talk);
  }
  for (const uint32_t flags : {0x1u, 0x4u, 0xdu, 0x15u}) {
    Conversation talk;
    talk.Negotiate();
    talk.Ask(FrontendRequest::kGetQueueNum);
    talk.Reply(FrontendRequest::kGetQueueNum, BytesOf(uint64_t{1}), flags);
    EXPECT_TRUE(talk.IsOpen(FindingCode::kHeaderOdd)) << flags;
    ExpectPaired(talk);
  }
}

TEST(TrackerPairing, TheChannelThatIsHandedOverIsSwappedOnlyIfItIsOne) {
  Conversation talk;
  EXPECT_EQ(talk.Ask(FrontendRequest::kSetBackendReqFd, {}, 0x9, {base::FdFacts{}}), Verdict::kSwapBackendFd);
  EXPECT_EQ(talk.Ask(FrontendRequest::kSetBackendReqFd, {}, 0x9), Verdict::kForward);
  EXPECT_EQ(talk.Ask(FrontendRequest::kSetBackendReqFd, {}, 0x9, {base::FdFacts{}, base::FdFacts{}}),
            Verdict::kForward);
  // Id 21 of the back-end's own channel is another message.
  EXPECT_EQ(talk.BackendAsks(21, {}, 0x1, {base::FdFacts{}}), Verdict::kForward);
}

TEST(TrackerPairing, PayloadsThatCannotBeReadAreToldAndHarmless) {
  for (const FrontendRequest request :
       {FrontendRequest::kSetFeatures, FrontendRequest::kSetProtocolFeatures, FrontendRequest::kSetMemTable,
        FrontendRequest::kAddMemReg, FrontendRequest::kRemMemReg, FrontendRequest::kSetVringEnable,
        FrontendRequest::kGetVringBase, FrontendRequest::kSetVringKick, FrontendRequest::kSetStatus}) {
    Conversation talk;
    talk.Ask(request, {1, 2, 3});
    EXPECT_FALSE(talk.decoded) << Id(request);
    EXPECT_TRUE(talk.observed());
  }
  Conversation talk;
  talk.Ask(FrontendRequest::kSetMemTable, BytesOf(vhost::MemoryTableHeader{0xffffffff, 0}));
  EXPECT_FALSE(talk.decoded);
}

}  // namespace
}  // namespace shmemd::session
