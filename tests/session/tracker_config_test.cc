// GET_SHMEM_CONFIG in a relayed session, seen and asked, and what the features say.
#include <gtest/gtest.h>

#include "tests/session/tracker_fixture.h"

namespace shmemd::session {
namespace {

using state::BackendState;
using state::ConfigSource;
using state::FindingCode;
using state::StateReason;

TrackerOptions Inject() { return {.query = state::Query::kInject, .previous_config = {}}; }

// Shmemd's own question, as the relay sends it.
void AskOurselves(Conversation& talk) {
  ASSERT_TRUE(talk.tracker.MayAsk());
  talk.tracker.Asked(talk.now_ns);
}
Verdict AnswerUs(Conversation& talk) {
  return talk.Reply(FrontendRequest::kGetShmemConfig, Conversation::ConfigPayload({0, 0x200000}));
}

TEST(TrackerConfig, WhatTheVmmAsksIsSeen) {
  Conversation talk;
  talk.Negotiate();
  talk.AskConfig({0x100000, 0, 0x40000000});
  EXPECT_EQ(talk.status().state, BackendState::kActive);
  EXPECT_EQ(talk.status().config.source, ConfigSource::kSeen);
  EXPECT_EQ(talk.sink.table().FindRegion(2)->status.size_bytes, 0x40000000u);
  EXPECT_EQ(talk.status().query_count, 1u);
  EXPECT_EQ(talk.status().query_failure_count, 0u);
  ASSERT_TRUE(talk.tracker.config().has_value());
  EXPECT_EQ(talk.tracker.config()->sizes[2], 0x40000000u);
}

TEST(TrackerConfig, ASecondAnswerThatDiffersIsAFinding) {
  Conversation talk;
  talk.Negotiate();
  talk.AskConfig({0x100000});
  talk.AskConfig({0x200000});
  EXPECT_TRUE(talk.IsOpen(FindingCode::kConfigChanged));
}

TEST(TrackerConfig, AnAnswerThatDiffersFromTheSessionBeforeIsOnlyNoted) {
  Conversation first;
  first.Negotiate();
  first.AskConfig({0x100000});
  TrackerOptions options;
  options.previous_config = first.tracker.config();
  Conversation second(options);
  second.Negotiate();
  second.AskConfig({0x200000});
  EXPECT_FALSE(second.IsOpen(FindingCode::kConfigChanged));
  EXPECT_TRUE(second.IsOpen(FindingCode::kConfigChangedAfterReconnect));
}

TEST(TrackerConfig, MalformedAnswersAreNamedAndForwarded) {
  struct Row {
    const char* name;
    size_t payload_bytes;
    uint32_t flags;
  };
  for (const Row& row : {Row{"empty", 0, 5}, Row{"4 bytes", 4, 5}, Row{"2055 bytes", 2055, 5},
                         Row{"too long", 2064, 5}, Row{"no reply flag", 2056, 1}}) {
    Conversation talk;
    talk.Negotiate();
    talk.Ask(FrontendRequest::kGetShmemConfig);
    EXPECT_EQ(
        talk.Reply(FrontendRequest::kGetShmemConfig, std::vector<uint8_t>(row.payload_bytes), row.flags),
        Verdict::kForward);
    EXPECT_FALSE(talk.decoded) << row.name;
    EXPECT_TRUE(talk.IsOpen(FindingCode::kConfigReplyMalformed)) << row.name;
    EXPECT_EQ(talk.status().query_failure_count, 1u) << row.name;
    EXPECT_TRUE(talk.observed()) << row.name;
  }
}

TEST(TrackerConfig, AnAnswerWithAnotherIdIsMalformedAndEndsObservation) {
  Conversation talk;
  talk.Negotiate();
  talk.Ask(FrontendRequest::kGetShmemConfig);
  talk.Reply(43, Conversation::ConfigPayload({0x1000}));
  EXPECT_TRUE(talk.IsOpen(FindingCode::kConfigReplyMalformed));
  EXPECT_FALSE(talk.observed());
}

TEST(TrackerConfig, ABackendThatClosesInsteadOfAnsweringTheVmmIsNamed) {
  Conversation talk;
  talk.Negotiate();
  talk.Ask(FrontendRequest::kGetShmemConfig);
  EXPECT_EQ(talk.tracker.OldestPending(vhost::Channel::kMain), 44u);
  talk.tracker.BackendEnded();
  EXPECT_TRUE(talk.IsOpen(FindingCode::kShmemAdvertisedNoConfig));
  EXPECT_EQ(talk.status().query_failure_count, 1u);
}

TEST(TrackerConfig, AStartWithoutTheQuestionIsSaidUntilTheAnswerIsSeen) {
  Conversation talk;
  talk.Negotiate();
  talk.Start();
  EXPECT_TRUE(talk.IsOpen(FindingCode::kConfigNotSeen));
  talk.AskConfig();
  EXPECT_FALSE(talk.IsOpen(FindingCode::kConfigNotSeen));
}

TEST(TrackerConfig, ADeviceWithoutSharedMemoryIsUnsupportedAndSaysNothingMore) {
  Conversation talk;
  const uint64_t features = kAllFeatures & ~Mask(ProtocolFeature::kShmem);
  talk.Negotiate(features, features);
  EXPECT_EQ(talk.status().state, BackendState::kUnsupported);
  EXPECT_EQ(talk.status().cause.reason, StateReason::kShmemNotOffered);
  talk.Start();
  EXPECT_EQ(talk.status().state, BackendState::kUnsupported);
  EXPECT_FALSE(talk.IsOpen(FindingCode::kConfigNotSeen));
}

TEST(TrackerConfig, AVmmThatLeavesShmemOutIsToldFromABackendThatDoes) {
  Conversation talk;
  talk.Negotiate(kAllFeatures, kAllFeatures & ~Mask(ProtocolFeature::kShmem));
  EXPECT_EQ(talk.status().state, BackendState::kUnsupported);
  EXPECT_EQ(state::CauseText(talk.status().cause, ""),
            "the front-end did not acknowledge protocol feature SHMEM (bit 22)");
}

TEST(TrackerConfig, WithoutProtocolFeaturesThereIsNoSharedMemory) {
  Conversation talk;
  talk.AskU64(FrontendRequest::kSetFeatures, 1);
  EXPECT_EQ(talk.status().state, BackendState::kUnsupported);
  EXPECT_EQ(talk.status().cause.reason, StateReason::kNoProtocolFeatures);
}

TEST(TrackerConfig, AliothMapsAtBit21AndIsActiveAllTheSame) {
  Conversation talk;
  const uint64_t features = (kAllFeatures & ~Mask(ProtocolFeature::kShmem)) | uint64_t{1} << 21;
  talk.Negotiate(features, features);
  EXPECT_EQ(talk.status().state, BackendState::kUnsupported);
  EXPECT_EQ(talk.status().cause.reason, StateReason::kShmemOlderBit);
  EXPECT_TRUE(talk.IsOpen(FindingCode::kShmemBitMismatch));
  talk.Start();
  talk.Map({.header_flags = 0x1});
  talk.VmmAnswers(BackendRequest::kShmemMap, 0);
  EXPECT_EQ(talk.status().state, BackendState::kActive);
  EXPECT_EQ(talk.Mappings().size(), 1u);
  EXPECT_TRUE(talk.IsOpen(FindingCode::kConfigNotSeen));
}

TEST(TrackerConfig, MissingFeaturesAreFindings) {
  Conversation talk;
  const uint64_t features = Mask(ProtocolFeature::kShmem);
  talk.Negotiate(features, features);
  EXPECT_TRUE(talk.IsOpen(FindingCode::kNoReplyAck));
  EXPECT_TRUE(talk.IsOpen(FindingCode::kMissingBackendReq));
  EXPECT_TRUE(talk.IsOpen(FindingCode::kMissingBackendSendFd));
  EXPECT_EQ(talk.status().features.shmem_bit, 22);
}

// ---- asking ourselves

TEST(TrackerInject, SnoopNeverAsks) {
  Conversation talk;
  talk.Negotiate();
  talk.Start();
  EXPECT_FALSE(talk.tracker.MayAsk());
  talk.tracker.WantConfig();
  EXPECT_FALSE(talk.tracker.MayAsk());
  EXPECT_EQ(talk.tracker.NextDeadline(), INT64_MAX);
}

TEST(TrackerInject, AsksWhenTheVmmHasGoneOnAndSwallowsOneAnswer) {
  Conversation talk(Inject());
  talk.Negotiate();
  EXPECT_FALSE(talk.tracker.MayAsk());
  talk.Start();
  AskOurselves(talk);
  EXPECT_FALSE(talk.tracker.MayAsk());
  EXPECT_FALSE(talk.IsOpen(FindingCode::kConfigNotSeen));
  EXPECT_EQ(AnswerUs(talk), Verdict::kSwallow);
  EXPECT_EQ(talk.status().config.source, ConfigSource::kAsked);
  EXPECT_EQ(talk.sink.table().FindRegion(1)->status.size_bytes, 0x200000u);
  EXPECT_FALSE(talk.tracker.MayAsk());
  EXPECT_EQ(AnswerUs(talk), Verdict::kForward);
}

TEST(TrackerInject, AsksHalfASecondAfterTheNegotiation) {
  Conversation talk(Inject());
  talk.Negotiate();
  const int64_t deadline = talk.tracker.NextDeadline();
  EXPECT_LE(deadline, talk.now_ns + static_cast<int64_t>(500 * kMs));
  talk.tracker.OnDeadline(deadline - 1);
  EXPECT_FALSE(talk.tracker.MayAsk());
  talk.tracker.OnDeadline(deadline);
  EXPECT_TRUE(talk.tracker.MayAsk());
  EXPECT_EQ(talk.tracker.NextDeadline(), INT64_MAX);
}

TEST(TrackerInject, NeverAsksIfTheVmmHas) {
  Conversation talk(Inject());
  talk.Negotiate();
  talk.Ask(FrontendRequest::kGetShmemConfig);
  talk.Start();
  EXPECT_FALSE(talk.tracker.MayAsk());
  EXPECT_EQ(talk.tracker.NextDeadline(), INT64_MAX);
}

TEST(TrackerInject, NeverAsksBeforeShmemIsOfferedAndAcknowledged) {
  for (const auto& [offered, acked] :
       {std::pair{kAllFeatures & ~Mask(ProtocolFeature::kShmem), kAllFeatures},
        std::pair{kAllFeatures, kAllFeatures & ~Mask(ProtocolFeature::kShmem)}}) {
    Conversation talk(Inject());
    talk.Negotiate(offered, acked);
    talk.Start();
    EXPECT_FALSE(talk.tracker.MayAsk());
    talk.tracker.WantConfig();
    EXPECT_FALSE(talk.tracker.MayAsk());
  }
}

TEST(TrackerInject, AnswersOfOthersPassWhileOursIsOutstanding) {
  Conversation talk(Inject());
  talk.Negotiate();
  talk.SetMemTable({Ram()}, false);
  AskOurselves(talk);
  talk.Ask(FrontendRequest::kGetFeatures);
  EXPECT_EQ(talk.ReplyU64(FrontendRequest::kSetMemTable, 0), Verdict::kForward);
  EXPECT_EQ(AnswerUs(talk), Verdict::kSwallow);
  EXPECT_EQ(talk.ReplyU64(FrontendRequest::kGetFeatures, kVirtioFeatures), Verdict::kForward);
  EXPECT_TRUE(talk.observed());
  EXPECT_EQ(talk.tracker.OldestPending(vhost::Channel::kMain), 0u);
}

TEST(TrackerInject, AVmmThatAsksAfterUsGetsItsOwnAnswer) {
  Conversation talk(Inject());
  talk.Negotiate();
  talk.Start();
  AskOurselves(talk);
  talk.Ask(FrontendRequest::kGetShmemConfig);
  EXPECT_EQ(AnswerUs(talk), Verdict::kSwallow);
  EXPECT_EQ(AnswerUs(talk), Verdict::kForward);
  EXPECT_EQ(talk.status().query_count, 2u);
}

TEST(TrackerInject, NoAnswerInTimeIsAFindingAndALateOneIsStillSwallowed) {
  Conversation talk(Inject());
  talk.Negotiate();
  talk.Start();
  AskOurselves(talk);
  const int64_t deadline = talk.tracker.NextDeadline();
  EXPECT_EQ(deadline, talk.now_ns + 5'000'000'000);
  talk.tracker.OnDeadline(deadline);
  EXPECT_TRUE(talk.IsOpen(FindingCode::kShmemAdvertisedNoConfig));
  EXPECT_EQ(talk.tracker.NextDeadline(), INT64_MAX);
  EXPECT_EQ(AnswerUs(talk), Verdict::kSwallow);
  EXPECT_FALSE(talk.IsOpen(FindingCode::kShmemAdvertisedNoConfig));
}

TEST(TrackerInject, TimeDoesNotRunWhileTheBackendOwesAnOlderAnswer) {
  Conversation talk(Inject());
  talk.Negotiate();
  talk.Start();
  talk.AskRing(FrontendRequest::kGetVringBase, 0);
  AskOurselves(talk);
  EXPECT_EQ(talk.tracker.NextDeadline(), INT64_MAX);
  talk.now_ns += 60'000'000'000;
  talk.Reply(FrontendRequest::kGetVringBase, BytesOf(vhost::VringState{}));
  EXPECT_GT(talk.tracker.NextDeadline(), talk.now_ns + 4'000'000'000);
}

TEST(TrackerInject, ABackendThatPassesOursOverIsNamedAndItsLaterAnswersPass) {
  Conversation talk(Inject());
  talk.Negotiate();
  talk.Start();
  AskOurselves(talk);
  talk.Ask(FrontendRequest::kGetFeatures);
  EXPECT_EQ(talk.ReplyU64(FrontendRequest::kGetFeatures, kVirtioFeatures), Verdict::kForward);
  EXPECT_TRUE(talk.IsOpen(FindingCode::kShmemAdvertisedNoConfig));
  EXPECT_TRUE(talk.observed());
  talk.Ask(FrontendRequest::kGetShmemConfig);
  EXPECT_EQ(AnswerUs(talk), Verdict::kForward);
  EXPECT_EQ(AnswerUs(talk), Verdict::kSwallow);
}

TEST(TrackerInject, OurAnswerIsSwallowedAlsoWhenPairingIsLost) {
  Conversation talk(Inject());
  talk.Negotiate();
  talk.SetMemTable({Ram()}, false);
  AskOurselves(talk);
  talk.ReplyU64(FrontendRequest::kGetQueueNum, 1);
  ASSERT_FALSE(talk.observed());
  EXPECT_EQ(AnswerUs(talk), Verdict::kSwallow);
  EXPECT_FALSE(talk.tracker.MayAsk());
}

TEST(TrackerInject, ABackendThatClosesInsteadOfAnsweringIsNamed) {
  Conversation talk(Inject());
  talk.Negotiate();
  talk.Start();
  AskOurselves(talk);
  talk.tracker.BackendEnded();
  EXPECT_TRUE(talk.IsOpen(FindingCode::kShmemAdvertisedNoConfig));
  EXPECT_EQ(talk.status().query_failure_count, 1u);
}

TEST(TrackerInject, ARefreshAsksOnceMore) {
  Conversation talk(Inject());
  talk.Negotiate();
  talk.AskConfig();
  talk.Start();
  EXPECT_FALSE(talk.tracker.MayAsk());
  talk.tracker.WantConfig();
  AskOurselves(talk);
  EXPECT_EQ(AnswerUs(talk), Verdict::kSwallow);
  EXPECT_FALSE(talk.tracker.MayAsk());
}

TEST(TrackerInject, ARefreshWaitsForTheAnswerThatTheVmmWaitsFor) {
  Conversation talk(Inject());
  talk.Negotiate();
  talk.Ask(FrontendRequest::kGetShmemConfig);
  talk.tracker.WantConfig();
  EXPECT_FALSE(talk.tracker.MayAsk());
  EXPECT_EQ(AnswerUs(talk), Verdict::kForward);
  EXPECT_TRUE(talk.tracker.MayAsk());
}

TEST(TrackerInject, OurAnswerOutOfOrderIsSwallowedAndOlderRequestsGoOnWaiting) {
  Conversation talk(Inject());
  talk.Negotiate();
  talk.SetMemTable({Ram()}, false);
  AskOurselves(talk);
  EXPECT_EQ(AnswerUs(talk), Verdict::kSwallow);
  EXPECT_EQ(talk.tracker.OldestPending(vhost::Channel::kMain), 5u);
  EXPECT_EQ(talk.ReplyU64(FrontendRequest::kSetMemTable, 0), Verdict::kForward);
  EXPECT_TRUE(talk.observed());
}

TEST(TrackerInject, ManyRequestsBehindOursDoNotMakeItForgotten) {
  Conversation talk(Inject());
  talk.Negotiate();
  talk.Start();
  AskOurselves(talk);
  for (int i = 0; i < 100; ++i) talk.Ask(FrontendRequest::kGetFeatures);
  EXPECT_EQ(talk.status().observation.reason, state::UnobservedReason::kTooManyPending);
  EXPECT_FALSE(talk.IsOpen(FindingCode::kShmemAdvertisedNoConfig));
  EXPECT_EQ(AnswerUs(talk), Verdict::kSwallow);
  EXPECT_EQ(AnswerUs(talk), Verdict::kForward);
}

TEST(TrackerInject, SixtyThreeRequestsBehindOursAreFollowed) {
  Conversation talk(Inject());
  talk.Negotiate();
  talk.Start();
  AskOurselves(talk);
  for (int i = 0; i < 63; ++i) talk.Ask(FrontendRequest::kGetFeatures);
  EXPECT_TRUE(talk.observed());
  EXPECT_EQ(AnswerUs(talk), Verdict::kSwallow);
  EXPECT_EQ(talk.status().query_count, 1u);
  for (int i = 0; i < 63; ++i) talk.ReplyU64(FrontendRequest::kGetFeatures, kVirtioFeatures);
  EXPECT_EQ(talk.tracker.OldestPending(vhost::Channel::kMain), 0u);
}

TEST(TrackerInject, NeverAsksInsideAPostcopyExchange) {
  Conversation talk(Inject());
  talk.Negotiate();
  talk.Ask(FrontendRequest::kPostcopyListen, {}, 0x9);
  talk.ReplyU64(FrontendRequest::kPostcopyListen, 0);
  talk.SetMemTable({Ram()}, false);
  EXPECT_FALSE(talk.tracker.MayAsk());
  talk.Reply(FrontendRequest::kSetMemTable, std::vector<uint8_t>(40));
  EXPECT_FALSE(talk.tracker.MayAsk());
  talk.AskU64(FrontendRequest::kSetMemTable, 0);
  EXPECT_TRUE(talk.tracker.MayAsk());
}

}  // namespace
}  // namespace shmemd::session
