// Start, stop and reset of a relayed device, and the VMM's memory table.
#include <gtest/gtest.h>

#include "tests/session/tracker_fixture.h"

namespace shmemd::session {
namespace {

using state::BackendState;
using state::DeviceState;
using state::FindingCode;
using state::InMemoryTable;
using state::MappingState;

constexpr uint64_t kMemSlots = Mask(ProtocolFeature::kConfigureMemSlots);

class TrackerDevice : public ::testing::Test {
 protected:
  void Begin(uint64_t features = kAllFeatures) {
    talk.Negotiate(features, features);
    talk.AskConfig();
  }
  uint64_t resets() { return talk.Published<state::DeviceReset>().size(); }
  Conversation talk;
};

TEST_F(TrackerDevice, TheFirstRingEnabledStartsIt) {
  Begin();
  EXPECT_EQ(talk.status().device_state, DeviceState::kUnknown);
  talk.Start(2);
  EXPECT_EQ(talk.status().device_state, DeviceState::kStarted);
  EXPECT_EQ(talk.Published<state::DeviceStateChanged>().size(), 1u);
}

TEST_F(TrackerDevice, GetVringBaseOfTheLastRingStopsItAndMappingsAreStale) {
  Begin();
  talk.Start(2);
  talk.MapDone();
  talk.Enable(0, false);
  talk.Enable(1, false);
  EXPECT_EQ(talk.status().device_state, DeviceState::kStarted);
  talk.AskRing(FrontendRequest::kGetVringBase, 0);
  EXPECT_EQ(talk.status().device_state, DeviceState::kStarted);
  talk.AskRing(FrontendRequest::kGetVringBase, 1);
  EXPECT_EQ(talk.status().device_state, DeviceState::kStopped);
  EXPECT_EQ(talk.Mappings()[0].state, MappingState::kStale);
  EXPECT_EQ(talk.status().reset_count, 0u);
}

TEST_F(TrackerDevice, AStopAndContinueOfTheVmShowsTheMappingAgain) {
  Begin();
  talk.Start();
  const MapText map;
  talk.MapDone(map);
  talk.SetMemTable({Ram(), EchoOf(map.fd, map.fd_offset)});
  EXPECT_EQ(talk.Mappings()[0].in_memory_table, InMemoryTable::kYes);
  talk.Stop();
  EXPECT_EQ(talk.Mappings()[0].state, MappingState::kStale);
  talk.Start(1, {Ram(), EchoOf(map.fd, map.fd_offset)});
  EXPECT_EQ(talk.Mappings()[0].state, MappingState::kMapped);
  EXPECT_EQ(talk.status().reset_count, 0u);
}

TEST_F(TrackerDevice, ATableTellsThatAFileWasCutOffBehindItsMappingAndThatItGrewAgain) {
  Begin();
  talk.Start();
  const MapText map;
  talk.MapDone(map);
  talk.SetMemTable({Ram(), EchoOf(map.fd, map.fd_offset)});
  EXPECT_EQ(talk.sink.table().Totals().at_risk_bytes, 0u);
  EXPECT_FALSE(talk.IsOpen(FindingCode::kBeyondEof, map.shmid));

  base::FdFacts cut = map.fd;
  cut.size_bytes = static_cast<int64_t>(map.fd_offset) + 1;
  talk.SetMemTable({Ram(), EchoOf(cut, map.fd_offset)});
  EXPECT_EQ(talk.sink.table().Totals().at_risk_bytes, map.len - 1);
  EXPECT_TRUE(talk.IsOpen(FindingCode::kBeyondEof, map.shmid));
  const size_t events = talk.Published<state::MappingEchoed>().size();
  talk.SetMemTable({Ram(), EchoOf(cut, map.fd_offset)});
  EXPECT_EQ(talk.Published<state::MappingEchoed>().size(), events) << "nothing is new";

  talk.SetMemTable({Ram(), EchoOf(map.fd, map.fd_offset)});
  EXPECT_EQ(talk.sink.table().Totals().at_risk_bytes, 0u);
  EXPECT_FALSE(talk.IsOpen(FindingCode::kBeyondEof, map.shmid));
}

TEST_F(TrackerDevice, ATableThatComesBackWithoutAMappingHintsAtAReset) {
  Begin();
  talk.Start();
  const MapText map;
  talk.MapDone(map);
  talk.SetMemTable({Ram(), EchoOf(map.fd, map.fd_offset)});
  talk.Stop();
  talk.Start();
  ASSERT_EQ(talk.Mappings().size(), 1u);
  EXPECT_EQ(talk.Mappings()[0].state, MappingState::kStale);
  EXPECT_EQ(talk.Mappings()[0].in_memory_table, InMemoryTable::kNo);
  EXPECT_EQ(talk.status().reset_count, 1u);
  EXPECT_TRUE(talk.IsOpen(FindingCode::kStaleAfterReset));
  talk.SetMemTable({Ram()});
  EXPECT_EQ(resets(), 1u);
}

TEST_F(TrackerDevice, AMapAfterASuspectedResetTakesTheStaleRangeWithoutAFinding) {
  Begin();
  talk.Start();
  talk.MapDone();
  talk.SetMemTable({Ram(), EchoOf(FileOf(100), 0x2000)});
  talk.Stop();
  talk.Start();
  talk.MapDone();
  EXPECT_EQ(talk.Mappings()[0].state, MappingState::kMapped);
  EXPECT_FALSE(talk.IsOpen(FindingCode::kMapOverlap, 0));
}

TEST_F(TrackerDevice, ATableWithoutAMappingThatItNeverHeldIsNoProof) {
  Begin();
  talk.Start();
  talk.MapDone();
  talk.Stop();
  talk.Start();
  EXPECT_EQ(talk.status().reset_count, 0u);
  EXPECT_EQ(talk.Mappings()[0].state, MappingState::kStale);
  EXPECT_EQ(talk.Mappings()[0].in_memory_table, InMemoryTable::kNo);
}

TEST_F(TrackerDevice, MemoryDecodingOffWhileTheDeviceRunsLeavesTheMappingMapped) {
  Begin();
  talk.Start();
  talk.MapDone();
  talk.SetMemTable({Ram(), EchoOf(FileOf(100), 0x2000)});
  talk.SetMemTable({Ram()});
  EXPECT_EQ(talk.Mappings()[0].state, MappingState::kMapped);
  EXPECT_EQ(talk.Mappings()[0].in_memory_table, InMemoryTable::kNo);
  EXPECT_EQ(talk.status().reset_count, 0u);
}

TEST_F(TrackerDevice, AnEchoThatPassesBeforeTheAnswerIsNotForgotten) {
  Begin();
  talk.Start();
  talk.Map();
  talk.SetMemTable({Ram(), EchoOf(FileOf(100), 0x2000)}, false);
  talk.VmmAnswers(BackendRequest::kShmemMap, 0);
  EXPECT_EQ(talk.Mappings()[0].in_memory_table, InMemoryTable::kYes);
}

TEST_F(TrackerDevice, ATableWithAnUnknownDescriptorDeniesNothing) {
  Begin();
  talk.Start();
  talk.MapDone();
  talk.SetMemTable({Ram(), {Ram(0x1000000).region, base::FdFacts{}}});
  EXPECT_EQ(talk.Mappings()[0].in_memory_table, InMemoryTable::kUnknown);
}

TEST_F(TrackerDevice, RegionsAddedAndRemovedOneByOneAreFollowed) {
  Begin(kAllFeatures | kMemSlots);
  talk.Start(1, {});
  talk.AddMemReg(Ram());
  talk.MapDone();
  EXPECT_EQ(talk.Mappings()[0].in_memory_table, InMemoryTable::kUnknown);
  talk.AddMemReg(EchoOf(FileOf(100), 0x2000));
  EXPECT_EQ(talk.Mappings()[0].in_memory_table, InMemoryTable::kYes);
  talk.RemMemReg(EchoOf(FileOf(100), 0x2000));
  EXPECT_EQ(talk.Mappings()[0].in_memory_table, InMemoryTable::kNo);
  EXPECT_EQ(talk.status().reset_count, 0u);
}

TEST_F(TrackerDevice, RegionsThatStayedAtTheNextStartKeepTheirMappings) {
  Begin(kAllFeatures | kMemSlots);
  talk.AddMemReg(Ram());
  talk.Start(1, {});
  talk.MapDone();
  talk.AddMemReg(EchoOf(FileOf(100), 0x2000));
  talk.Stop();
  EXPECT_EQ(talk.Mappings()[0].state, MappingState::kStale);
  talk.Start(1, {});
  EXPECT_EQ(talk.Mappings()[0].state, MappingState::kMapped);
}

TEST_F(TrackerDevice, ARegionRemovedBeforeTheNextStartHintsAtAReset) {
  Begin(kAllFeatures | kMemSlots);
  talk.AddMemReg(Ram());
  talk.Start(1, {});
  talk.MapDone();
  talk.AddMemReg(EchoOf(FileOf(100), 0x2000));
  talk.Stop();
  talk.RemMemReg(EchoOf(FileOf(100), 0x2000));
  EXPECT_EQ(talk.status().reset_count, 1u);
  talk.Start(1, {});
  EXPECT_EQ(talk.Mappings()[0].state, MappingState::kStale);
}

TEST_F(TrackerDevice, ResetDeviceClearsTheMappings) {
  Begin();
  talk.Start();
  talk.MapDone();
  talk.Ask(FrontendRequest::kResetDevice);
  EXPECT_TRUE(talk.Mappings().empty());
  EXPECT_EQ(talk.status().device_state, DeviceState::kStopped);
  EXPECT_EQ(talk.status().reset_count, 1u);
}

TEST_F(TrackerDevice, StatusZeroClearsTheMappingsAndAnyOtherDoesNot) {
  Begin();
  talk.Start();
  talk.MapDone();
  talk.AskU64(FrontendRequest::kSetStatus, 0xf);
  EXPECT_EQ(talk.Mappings().size(), 1u);
  talk.AskU64(FrontendRequest::kSetStatus, 0);
  EXPECT_TRUE(talk.Mappings().empty());
}

TEST_F(TrackerDevice, ResetOwnerStopsItAndProvesNothing) {
  Begin();
  talk.Start();
  talk.MapDone();
  talk.Ask(FrontendRequest::kResetOwner);
  EXPECT_EQ(talk.status().device_state, DeviceState::kStopped);
  EXPECT_EQ(talk.Mappings()[0].state, MappingState::kStale);
}

TEST_F(TrackerDevice, WithoutProtocolFeaturesInSetFeaturesAKickStartsTheRing) {
  Begin();
  talk.AskU64(FrontendRequest::kSetFeatures, 1);
  talk.AskU64(FrontendRequest::kSetVringKick, 0x100);
  EXPECT_EQ(talk.status().device_state, DeviceState::kStarted);
}

TEST_F(TrackerDevice, RingNumbersOfAnySizeAreHarmless) {
  Begin();
  talk.Enable(0xffffffff, true);
  talk.AskRing(FrontendRequest::kGetVringBase, 0xffffffff);
  EXPECT_EQ(talk.status().device_state, DeviceState::kUnknown);
  talk.Ask(FrontendRequest::kSetVringEnable, {1, 2, 3});
  EXPECT_FALSE(talk.decoded);
}

TEST_F(TrackerDevice, ADeviceWithSharedMemoryIsActiveOnceItStarts) {
  talk.Negotiate();
  EXPECT_EQ(talk.status().state, BackendState::kNegotiating);
  talk.Start();
  EXPECT_EQ(talk.status().state, BackendState::kActive);
}

// ---- ends

TEST_F(TrackerDevice, TheEndOfTheVmmFirstClearsTheMappings) {
  Begin();
  talk.Start();
  talk.MapDone();
  talk.tracker.FrontendEnded();
  talk.tracker.BackendEnded();
  EXPECT_TRUE(talk.Mappings().empty());
}

TEST_F(TrackerDevice, TheEndOfTheBackendFirstLeavesTheMappingsStale) {
  Begin();
  talk.Start();
  talk.MapDone();
  talk.tracker.BackendEnded();
  talk.tracker.FrontendEnded();
  talk.sink.Publish(state::Disconnected{BackendState::kDisconnected, {}});
  ASSERT_EQ(talk.Mappings().size(), 1u);
  EXPECT_EQ(talk.Mappings()[0].state, MappingState::kStale);
}

// The back-end channel has its last words after the main channel.
TEST_F(TrackerDevice, WhatIsAnsweredAfterTheVmmEndedIsGoneWithTheSession) {
  Begin();
  talk.Start();
  talk.tracker.FrontendEnded();
  talk.MapDone();
  talk.tracker.BackendEnded();
  talk.tracker.SessionEnded();
  EXPECT_TRUE(talk.Mappings().empty());
}

TEST_F(TrackerDevice, WhatIsAnsweredAfterTheBackendEndedIsStaleWithTheSession) {
  Begin();
  talk.Start();
  talk.tracker.BackendEnded();
  talk.sink.Publish(state::Disconnected{BackendState::kDisconnected, {}});
  talk.MapDone();
  talk.tracker.SessionEnded();
  ASSERT_EQ(talk.Mappings().size(), 1u);
  EXPECT_EQ(talk.Mappings()[0].state, MappingState::kStale);
}

}  // namespace
}  // namespace shmemd::session
