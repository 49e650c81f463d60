// Maps and unmaps that pass a relay, as the VMM answers them.
#include <gtest/gtest.h>

#include <cerrno>

#include "tests/session/tracker_fixture.h"

namespace shmemd::session {
namespace {

using state::BackendState;
using state::FindingCode;
using state::MappingState;
using state::RequestFailure;
using state::UnobservedReason;

class TrackerMappings : public ::testing::Test {
 protected:
  TrackerMappings() {
    talk.Negotiate();
    talk.AskConfig();
    talk.Start();
  }
  Conversation talk;
};

TEST_F(TrackerMappings, AnAcknowledgedMapIsMappedWithItsLatency) {
  talk.Map();
  EXPECT_TRUE(talk.Mappings().empty());
  EXPECT_EQ(talk.status().pending_requests, 1u);
  talk.now_ns += 5000;
  talk.VmmAnswers(BackendRequest::kShmemMap, 0);
  ASSERT_EQ(talk.Mappings().size(), 1u);
  const state::Mapping mapping = talk.Mappings()[0];
  EXPECT_EQ(mapping.state, MappingState::kMapped);
  EXPECT_EQ(mapping.shm_offset, 0x10000u);
  EXPECT_EQ(mapping.len, 0x8000u);
  EXPECT_EQ(mapping.fd_offset, 0x2000u);
  EXPECT_EQ(mapping.fd.inode, 100u);
  EXPECT_EQ(mapping.ack_latency_ns, 6000);
  EXPECT_EQ(talk.status().pending_requests, 0u);
  EXPECT_EQ(talk.status().state, BackendState::kActive);
}

TEST_F(TrackerMappings, ARefusedMapIsCountedAndNotMapped) {
  struct Row {
    uint64_t answer;
    int32_t error_number;
  };
  for (const Row& row : {Row{1, EIO}, Row{vhost::AckErrno(EINVAL), EINVAL}, Row{vhost::AckErrno(4095), 4095},
                         Row{vhost::AckErrno(4096), EIO}, Row{uint64_t{1} << 63, EIO}}) {
    talk.sink.events.clear();
    talk.Map();
    talk.VmmAnswers(BackendRequest::kShmemMap, row.answer);
    const auto settled = talk.Published<state::MapSettled>();
    ASSERT_EQ(settled.size(), 1u);
    EXPECT_EQ(settled[0].error_number, row.error_number);
    EXPECT_EQ(settled[0].failure, RequestFailure::kRefused);
  }
  EXPECT_TRUE(talk.Mappings().empty());
  EXPECT_EQ(talk.sink.table()
                .FindRegion(0)
                ->status.counters.map_failures[static_cast<size_t>(RequestFailure::kRefused)],
            5u);
}

TEST_F(TrackerMappings, AnAcknowledgedUnmapIsGoneAndARefusedOneIsNot) {
  talk.MapDone();
  talk.Unmap();
  talk.VmmAnswers(BackendRequest::kShmemUnmap, 1);
  EXPECT_EQ(talk.Mappings().size(), 1u);
  talk.Unmap();
  EXPECT_TRUE(talk.Mappings()[0].unmap_pending);
  talk.VmmAnswers(BackendRequest::kShmemUnmap, 0);
  EXPECT_TRUE(talk.Mappings().empty());
}

TEST_F(TrackerMappings, WithoutNeedReplyAMapIsAssumedAtOnce) {
  talk.Map({.header_flags = 0x1});
  ASSERT_EQ(talk.Mappings().size(), 1u);
  EXPECT_EQ(talk.Mappings()[0].state, MappingState::kAssumed);
  EXPECT_EQ(talk.Mappings()[0].ack_latency_ns, -1);
  EXPECT_EQ(talk.tracker.OldestPending(vhost::Channel::kBackend), 0u);
}

TEST_F(TrackerMappings, PipelinedMapsAreSettledInOrder) {
  for (uint64_t i = 0; i < 3; ++i) talk.Map({.shm_offset = i * 0x10000});
  EXPECT_EQ(talk.status().pending_requests, 3u);
  talk.VmmAnswers(BackendRequest::kShmemMap, 0);
  talk.VmmAnswers(BackendRequest::kShmemMap, 1);
  talk.VmmAnswers(BackendRequest::kShmemMap, 0);
  ASSERT_EQ(talk.Mappings().size(), 2u);
  EXPECT_EQ(talk.Mappings()[0].shm_offset, 0u);
  EXPECT_EQ(talk.Mappings()[1].shm_offset, 0x20000u);
}

TEST_F(TrackerMappings, AnAnswerToAnotherRequestEndsObservationAndNothingElse) {
  talk.MapDone();
  talk.Map({.shm_offset = 0x40000});
  EXPECT_EQ(talk.VmmAnswers(BackendRequest::kShmemUnmap, 0), Verdict::kForward);
  EXPECT_EQ(talk.status().observation.reason, UnobservedReason::kPairingLost);
  EXPECT_TRUE(talk.status().observation.on_backend_channel);
  EXPECT_EQ(talk.status().observation.expected, 9u);
  EXPECT_EQ(talk.status().observation.got, 10u);
  EXPECT_TRUE(talk.IsOpen(FindingCode::kPairingLost));
  ASSERT_EQ(talk.Mappings().size(), 1u);
  EXPECT_EQ(talk.Mappings()[0].state, MappingState::kStale);
  EXPECT_EQ(talk.status().pending_requests, 0u);
  // Later maps go on and are not tracked.
  EXPECT_EQ(talk.Map({.shm_offset = 0x80000}), Verdict::kForward);
  EXPECT_EQ(talk.VmmAnswers(BackendRequest::kShmemMap, 0), Verdict::kForward);
  EXPECT_EQ(talk.Mappings().size(), 1u);
}

TEST_F(TrackerMappings, ANewBackendChannelIsFollowedAgain) {
  talk.Map();
  talk.VmmAnswers(BackendRequest::kShmemUnmap, 0);
  ASSERT_FALSE(talk.observed());
  talk.tracker.BackendChannelBegan();
  EXPECT_TRUE(talk.observed());
  talk.MapDone();
  EXPECT_EQ(talk.Mappings().size(), 1u);
}

TEST_F(TrackerMappings, MoreThan64RequestsWithoutAnswerEndObservation) {
  for (uint64_t i = 0; i < 64; ++i) talk.Map({.shm_offset = i * 0x10000});
  EXPECT_TRUE(talk.observed());
  talk.Map({.shm_offset = 0x900000});
  EXPECT_EQ(talk.status().observation.reason, UnobservedReason::kTooManyPending);
  EXPECT_EQ(talk.status().pending_requests, 0u);
}

TEST(TrackerLimits, ABackEndThatMapsWithoutEndIsNotFollowedForEver) {
  constexpr uint64_t kMost = 1000;
  TrackerOptions options;
  options.max_mappings = kMost;
  Conversation talk(options);
  talk.Negotiate();
  talk.AskConfig();
  talk.Start();
  for (uint64_t i = 0; i < kMost + 100; ++i) talk.Map({.shm_offset = i * 0x10000, .header_flags = 0x1});
  EXPECT_EQ(talk.status().observation.reason, UnobservedReason::kTooManyMappings);
  EXPECT_EQ(talk.Mappings().size(), kMost + 1);
  talk.tracker.BackendChannelBegan();
  for (uint64_t i = 0; i < 100; ++i) talk.Map({.shm_offset = (kMost + i) * 0x20000, .header_flags = 0x1});
  EXPECT_EQ(talk.Mappings().size(), kMost + 2);
}

TEST_F(TrackerMappings, WhoAlwaysAnswersIsBelievedFromThenOn) {
  talk.Map({.shm_offset = 0, .header_flags = 0x1});
  talk.VmmAnswers(BackendRequest::kShmemMap, 0);  // nobody asked for it
  EXPECT_TRUE(talk.observed());
  talk.Map({.shm_offset = 0x10000, .header_flags = 0x1});
  EXPECT_EQ(talk.Mappings().size(), 1u);
  talk.VmmAnswers(BackendRequest::kShmemMap, 0);
  ASSERT_EQ(talk.Mappings().size(), 2u);
  EXPECT_EQ(talk.Mappings()[0].state, MappingState::kAssumed);
  EXPECT_EQ(talk.Mappings()[1].state, MappingState::kMapped);
}

TEST_F(TrackerMappings, OtherRequestsTakeTheirPlaceInTheOrder) {
  talk.BackendAsks(Id(BackendRequest::kConfigChangeMsg), {}, 0x9);
  talk.Map();
  talk.VmmAnswers(BackendRequest::kConfigChangeMsg, 0);
  talk.VmmAnswers(BackendRequest::kShmemMap, 0);
  EXPECT_TRUE(talk.observed());
  EXPECT_EQ(talk.Mappings().size(), 1u);
}

TEST_F(TrackerMappings, RequestsThatAreAlwaysAnsweredMayBeOrNot) {
  for (const bool answered : {true, false}) {
    for (const uint32_t id : {8u, 1006u, 1007u}) {
      talk.BackendAsks(id, std::vector<uint8_t>(16), 0x1);
      talk.Map({.shm_offset = id * 0x100000});
      if (answered) talk.VmmAnswers(id, 0);
      talk.VmmAnswers(BackendRequest::kShmemMap, 0);
      EXPECT_TRUE(talk.observed()) << id;
    }
  }
}

TEST_F(TrackerMappings, PayloadsOf32And48BytesAreReadAsQemuReadsThem) {
  const vhost::MMapPayload wire{
      .shmid = 1, .fd_offset = 0x1000, .shm_offset = 0x2000, .len = 0x3000, .flags = 1};
  std::vector<uint8_t> payload = BytesOf(wire);
  payload.resize(32);
  talk.BackendAsks(Id(BackendRequest::kShmemMap), payload, 0x9, {FileOf(5)});
  EXPECT_FALSE(talk.decoded);
  talk.VmmAnswers(BackendRequest::kShmemMap, 0);
  ASSERT_EQ(talk.Mappings(1).size(), 1u);
  EXPECT_FALSE(talk.Mappings(1)[0].writable());
  EXPECT_TRUE(talk.IsOpen(FindingCode::kMapMalformed));
  payload = BytesOf(wire);
  payload.resize(48, 0xff);
  payload[1] = 0;
  std::memcpy(payload.data() + 16, "\0\0\1\0\0\0\0\0", 8);
  talk.BackendAsks(Id(BackendRequest::kShmemMap), payload, 0x9, {FileOf(5)});
  talk.VmmAnswers(BackendRequest::kShmemMap, 0);
  EXPECT_EQ(talk.Mappings(1).size(), 2u);
}

TEST_F(TrackerMappings, AMalformedMapThatNobodyAnswersHasFailed) {
  talk.BackendAsks(Id(BackendRequest::kShmemMap), std::vector<uint8_t>(32), 0x9, {FileOf(5)});
  talk.Unmap();
  talk.VmmAnswers(BackendRequest::kShmemUnmap, 1);
  EXPECT_TRUE(talk.observed());
  EXPECT_EQ(talk.sink.table()
                .FindRegion(0)
                ->status.counters.map_failures[static_cast<size_t>(RequestFailure::kMalformed)],
            1u);
}

TEST_F(TrackerMappings, CrosvmsOldDialectIsFollowedWithItsOwnOrderOfFields) {
  const vhost::LegacyMap map{
      .flags = 3, .shmid = 2, .shm_offset = 0x10000, .fd_offset = 0x2000, .len = 0x8000};
  talk.BackendAsks(Id(BackendRequest::kLegacyShmemMap), BytesOf(map), 0x9, {FileOf(9)});
  talk.VmmAnswers(BackendRequest::kLegacyShmemMap, 0);
  ASSERT_EQ(talk.Mappings(2).size(), 1u);
  EXPECT_EQ(talk.Mappings(2)[0].shm_offset, 0x10000u);
  EXPECT_EQ(talk.Mappings(2)[0].fd_offset, 0x2000u);
  EXPECT_TRUE(talk.Mappings(2)[0].writable());
  EXPECT_TRUE(talk.IsOpen(FindingCode::kMessageUnknown));
  const vhost::LegacyUnmap unmap{.shmid = 2, .shm_offset = 0x10000, .len = 0x8000};
  talk.BackendAsks(Id(BackendRequest::kLegacyShmemUnmap), BytesOf(unmap), 0x9);
  talk.VmmAnswers(BackendRequest::kLegacyShmemUnmap, 0);
  EXPECT_TRUE(talk.Mappings(2).empty());
}

TEST_F(TrackerMappings, AnEndedBackendChannelKeepsMappingsAndAnswersNothingMore) {
  talk.MapDone();
  talk.Map({.shm_offset = 0x40000});
  talk.tracker.BackendChannelEnded();
  ASSERT_EQ(talk.Mappings().size(), 1u);
  EXPECT_EQ(talk.Mappings()[0].state, MappingState::kMapped);
  EXPECT_EQ(talk.status().pending_requests, 0u);
  EXPECT_TRUE(talk.observed());
}

TEST_F(TrackerMappings, ABackendChannelThatCannotBeWatchedEndsObservation) {
  talk.MapDone();
  talk.tracker.BackendChannelOdd(2);
  EXPECT_EQ(talk.status().observation.reason, UnobservedReason::kBackendChannelOdd);
  EXPECT_EQ(talk.status().observation.got, 2u);
  EXPECT_EQ(talk.Mappings()[0].state, MappingState::kStale);
}

TEST_F(TrackerMappings, AMapOverAMapThatTheVmmTookReplacesIt) {
  talk.MapDone();
  talk.MapDone({.shm_offset = 0x14000});
  EXPECT_TRUE(talk.IsOpen(FindingCode::kMapOverlap, 0));
  EXPECT_EQ(talk.Mappings().size(), 2u);
}

TEST_F(TrackerMappings, TheAnswerOfQemuToAnOddVersionIsStillTheAnswer) {
  talk.Map({.header_flags = 0x8});
  talk.VmmAnswers(Id(BackendRequest::kShmemMap), 0, 0x4);
  EXPECT_EQ(talk.Mappings().size(), 1u);
  EXPECT_TRUE(talk.IsOpen(FindingCode::kHeaderOdd));
}

TEST_F(TrackerMappings, AnAnswerThatCannotBeReadIsAFailure) {
  talk.Map();
  talk.Say(vhost::Channel::kBackend, Sender::kFrontend, {9, 0x5, 0}, {0, 0, 0, 0});
  EXPECT_FALSE(talk.decoded);
  EXPECT_TRUE(talk.Mappings().empty());
  EXPECT_EQ(talk.status().pending_requests, 0u);
}

// Without REPLY_ACK peers do not agree on NEED_REPLY: rust-vmm is silent, QEMU and libvhost-user answer.
class TrackerWithoutReplyAck : public ::testing::Test {
 protected:
  TrackerWithoutReplyAck() {
    const uint64_t features = kAllFeatures & ~Mask(ProtocolFeature::kReplyAck);
    talk.Negotiate(features, features);
    talk.Start();
  }
  Conversation talk;
};

TEST_F(TrackerWithoutReplyAck, AMapIsAssumedWhetherOrNotItAsksForAnAnswer) {
  talk.Map({.shm_offset = 0});
  talk.Map({.shm_offset = 0x10000});
  ASSERT_EQ(talk.Mappings().size(), 2u);
  EXPECT_EQ(talk.Mappings()[1].state, MappingState::kAssumed);
  EXPECT_TRUE(talk.IsOpen(FindingCode::kNoReplyAck));
}

TEST_F(TrackerWithoutReplyAck, ASilentVmmIsFollowedForEver) {
  for (uint64_t i = 0; i < 200; ++i) talk.Map({.shm_offset = i * 0x10000});
  EXPECT_TRUE(talk.observed());
  EXPECT_EQ(talk.Mappings().size(), 200u);
}

TEST_F(TrackerWithoutReplyAck, AVmmThatAnswersAllTheSameIsBelievedFromThenOn) {
  talk.Map({.shm_offset = 0});
  talk.VmmAnswers(BackendRequest::kShmemMap, 0);
  talk.Map({.shm_offset = 0x10000});
  EXPECT_EQ(talk.Mappings().size(), 1u);
  talk.VmmAnswers(BackendRequest::kShmemMap, 1);
  EXPECT_EQ(talk.Mappings().size(), 1u);
  talk.Map({.shm_offset = 0x20000});
  talk.VmmAnswers(BackendRequest::kShmemMap, 0);
  ASSERT_EQ(talk.Mappings().size(), 2u);
  EXPECT_EQ(talk.Mappings()[1].state, MappingState::kMapped);
}

TEST_F(TrackerWithoutReplyAck, AnAssumedMapThatTurnsOutRefusedIsTakenBack) {
  talk.Map();
  ASSERT_EQ(talk.Mappings().size(), 1u);
  talk.VmmAnswers(BackendRequest::kShmemMap, 1);
  EXPECT_TRUE(talk.Mappings().empty());
}

}  // namespace
}  // namespace shmemd::session
