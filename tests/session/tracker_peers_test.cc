// Whole conversations, as the known peers hold them.
#include <gtest/gtest.h>

#include "tests/session/tracker_fixture.h"

namespace shmemd::session {
namespace {

using state::BackendState;
using state::DeviceState;
using state::FindingCode;
using state::InMemoryTable;
using state::MappingState;

// Everything that QEMU 11.1.3 acknowledges when all is offered.
constexpr uint64_t kQemuAcked = 0x6ffdff & ~(uint64_t{1} << 15);

// vhost-user-test-device-pci from connect to GET_SHMEM_CONFIG.
void RealizeQemu(Conversation& talk, uint64_t acked = kQemuAcked, uint32_t rings = 2) {
  talk.Ask(FrontendRequest::kGetFeatures);
  talk.ReplyU64(FrontendRequest::kGetFeatures, kVirtioFeatures);
  talk.Ask(FrontendRequest::kGetProtocolFeatures);
  talk.ReplyU64(FrontendRequest::kGetProtocolFeatures, 0x7fffff);
  talk.AskU64(FrontendRequest::kSetProtocolFeatures, acked);
  talk.Ask(FrontendRequest::kGetQueueNum);
  talk.ReplyU64(FrontendRequest::kGetQueueNum, rings);
  if (Has(acked, ProtocolFeature::kConfigureMemSlots)) {
    talk.Ask(FrontendRequest::kGetMaxMemSlots);
    talk.ReplyU64(FrontendRequest::kGetMaxMemSlots, 509);
  }
  EXPECT_EQ(talk.Ask(FrontendRequest::kSetBackendReqFd, {}, 0x9, {base::FdFacts{}}), Verdict::kSwapBackendFd);
  talk.tracker.BackendChannelBegan();
  talk.ReplyU64(FrontendRequest::kSetBackendReqFd, 0);
  talk.Ask(FrontendRequest::kSetOwner);
  talk.Ask(FrontendRequest::kGetFeatures);
  talk.ReplyU64(FrontendRequest::kGetFeatures, kVirtioFeatures);
  for (uint32_t ring = 0; ring < rings; ++ring) {
    for (const FrontendRequest request : {FrontendRequest::kSetVringCall, FrontendRequest::kSetVringErr}) {
      talk.Ask(request, BytesOf(uint64_t{ring}), 0x9, {base::FdFacts{}});
      talk.ReplyU64(request, 0);
    }
  }
  talk.AskConfig({0x1000000, 0, 0x40000000});
}

// QEMU tells the back-end of each map as memory, after its answer.
void MapAndEcho(Conversation& talk, std::vector<TableEntry>& memory, const MapText& map) {
  talk.Map(map);
  talk.VmmAnswers(BackendRequest::kShmemMap, 0);
  memory.push_back(EchoOf(map.fd, map.fd_offset, 0x900000000 + map.shm_offset));
  talk.SetMemTable(memory);
}

TEST(TalkOfQemu, StartMapStopContinueUnmapAndReset) {
  Conversation talk;
  RealizeQemu(talk);
  EXPECT_EQ(talk.status().state, BackendState::kActive);
  EXPECT_EQ(talk.status().device_state, DeviceState::kUnknown);

  std::vector<TableEntry> memory = {Ram(), Ram(0x100000000)};
  talk.Start(2, memory);
  EXPECT_EQ(talk.status().device_state, DeviceState::kStarted);
  const MapText first{.fd = FileOf(31)};
  const MapText second{.shm_offset = 0x40000, .fd_offset = 0, .fd = FileOf(32)};
  MapAndEcho(talk, memory, first);
  MapAndEcho(talk, memory, second);
  talk.Map({.shm_offset = 0x41000});  // overlaps
  talk.VmmAnswers(BackendRequest::kShmemMap, 1);
  ASSERT_EQ(talk.Mappings().size(), 2u);
  EXPECT_EQ(talk.Mappings()[1].in_memory_table, InMemoryTable::kYes);

  talk.Stop(2);
  EXPECT_EQ(talk.Mappings()[0].state, MappingState::kStale);
  talk.Start(2, memory);
  EXPECT_EQ(talk.Mappings()[0].state, MappingState::kMapped);
  EXPECT_EQ(talk.Mappings()[1].state, MappingState::kMapped);

  talk.Unmap(first);
  talk.VmmAnswers(BackendRequest::kShmemUnmap, 0);
  memory.erase(memory.begin() + 2);
  talk.SetMemTable(memory);
  EXPECT_EQ(talk.Mappings().size(), 1u);

  talk.Stop(2);
  talk.Start(2, {Ram(), Ram(0x100000000)});
  EXPECT_EQ(talk.status().reset_count, 1u);
  EXPECT_EQ(talk.Mappings()[0].state, MappingState::kStale);
  EXPECT_TRUE(talk.observed());
  EXPECT_FALSE(talk.IsOpen(FindingCode::kMapWhenStopped, 0));

  talk.tracker.FrontendEnded();
  EXPECT_TRUE(talk.Mappings().empty());
}

TEST(TalkOfQemu, WithMemorySlotsEachMapIsARegionOfItsOwn) {
  Conversation talk;
  RealizeQemu(talk, kQemuAcked | Mask(ProtocolFeature::kConfigureMemSlots));
  talk.AddMemReg(Ram());
  talk.Start(2, {});
  std::vector<MapText> maps;
  for (uint64_t i = 0; i < 60; ++i) maps.push_back({.shm_offset = i * 0x8000, .fd_offset = i * 0x8000});
  for (const MapText& map : maps) {
    talk.MapDone(map);
    talk.AddMemReg(EchoOf(map.fd, map.fd_offset, 0x900000000 + map.shm_offset));
  }
  for (const state::Mapping& mapping : talk.Mappings())
    EXPECT_EQ(mapping.in_memory_table, InMemoryTable::kYes);
  EXPECT_FALSE(talk.IsOpen(FindingCode::kMemoryTableFull));
  for (const MapText& map : maps) {
    talk.Unmap(map);
    talk.VmmAnswers(BackendRequest::kShmemUnmap, 0);
    talk.RemMemReg(EchoOf(map.fd, map.fd_offset, 0x900000000 + map.shm_offset));
  }
  EXPECT_TRUE(talk.Mappings().empty());
  EXPECT_TRUE(talk.observed());
}

TEST(TalkOfQemu, AMapDuringTheRealizationIsAnsweredLater) {
  Conversation talk;
  RealizeQemu(talk);
  talk.Ask(FrontendRequest::kGetShmemConfig);
  talk.Map();
  talk.Reply(FrontendRequest::kGetShmemConfig, Conversation::ConfigPayload({0x1000000, 0, 0x40000000}));
  EXPECT_TRUE(talk.IsOpen(FindingCode::kMapWhenStopped, 0));
  talk.VmmAnswers(BackendRequest::kShmemMap, 1);
  EXPECT_TRUE(talk.observed());
}

TEST(TalkOfQemu, VhostUserFsAcknowledgesShmemAndNeverAsks) {
  Conversation talk;
  talk.Negotiate();
  talk.Start();
  EXPECT_EQ(talk.status().state, BackendState::kActive);
  EXPECT_TRUE(talk.IsOpen(FindingCode::kConfigNotSeen));
  talk.MapDone({.shmid = 0});
  EXPECT_FALSE(talk.sink.table().FindRegion(0)->status.reported);
  EXPECT_TRUE(talk.sink.table().FindRegion(0)->listed());
  EXPECT_FALSE(talk.IsOpen(FindingCode::kMapUnknownShmid, 0));
}

// The owner comes first, the question last and only when the guest's PCI code asks; a reset keeps the maps.
TEST(TalkOfCrosvm, AsksLateAndAnswersErrno) {
  Conversation talk;
  talk.Ask(FrontendRequest::kSetOwner);
  talk.Ask(FrontendRequest::kGetFeatures);
  talk.ReplyU64(FrontendRequest::kGetFeatures, kVirtioFeatures);
  talk.Ask(FrontendRequest::kGetProtocolFeatures);
  talk.ReplyU64(FrontendRequest::kGetProtocolFeatures, kAllFeatures);
  talk.AskU64(FrontendRequest::kSetProtocolFeatures, kAllFeatures);
  talk.Ask(FrontendRequest::kSetBackendReqFd, {}, 0x1, {base::FdFacts{}});
  talk.tracker.BackendChannelBegan();
  talk.Ask(FrontendRequest::kGetQueueNum);
  talk.ReplyU64(FrontendRequest::kGetQueueNum, 1);
  EXPECT_EQ(talk.status().state, BackendState::kNegotiating);
  talk.AskConfig({0, 0x200000000});
  EXPECT_EQ(talk.status().state, BackendState::kActive);
  talk.Start();
  talk.MapDone({.shmid = 1});
  talk.Map({.shm_offset = 0x12000, .shmid = 1});
  talk.VmmAnswers(BackendRequest::kShmemMap, vhost::AckErrno(22));
  EXPECT_EQ(talk.Published<state::MapSettled>().back().error_number, 22);
  // Its unmap looks at the offset alone: a back-end made for it sends a len of 1.
  talk.Unmap({.len = 1, .shmid = 1});
  talk.VmmAnswers(BackendRequest::kShmemUnmap, 0);
  EXPECT_TRUE(talk.Mappings(1).empty());
  EXPECT_TRUE(talk.IsOpen(FindingCode::kUnmapPartial, 1));
}

// vhost-user-backend of rust-vmm asks to be answered once REPLY_ACK is agreed on, and the VMM may say -errno.
TEST(TalkOfRustVmm, AsksForTheConfigurationWithTheLeast) {
  Conversation talk;
  talk.AskU64(FrontendRequest::kSetProtocolFeatures, Mask(ProtocolFeature::kShmem));
  talk.AskConfig();
  EXPECT_EQ(talk.status().state, BackendState::kActive);
  EXPECT_TRUE(talk.observed());
}

// libvhost-user acknowledges whatever carries NEED_REPLY, agreed on or not.
TEST(TalkOfLibvhostUser, AnswersNeedReplyWithoutReplyAck) {
  Conversation talk;
  const uint64_t features = kAllFeatures & ~Mask(ProtocolFeature::kReplyAck);
  talk.Negotiate(features, features);
  for (uint32_t ring = 0; ring < 100; ++ring) {
    talk.AskRing(FrontendRequest::kSetVringNum, 0, 64, 0x9);
    talk.ReplyU64(FrontendRequest::kSetVringNum, 0);
  }
  talk.Ask(FrontendRequest::kGetFeatures);
  talk.ReplyU64(FrontendRequest::kGetFeatures, kVirtioFeatures);
  EXPECT_TRUE(talk.observed());
  EXPECT_EQ(talk.tracker.OldestPending(vhost::Channel::kMain), 0u);
}

// It does not know message 44 and closes.
TEST(TalkOfLibvhostUser, ClosesWhenItIsAsked) {
  Conversation talk({.query = state::Query::kInject, .previous_config = {}});
  talk.Negotiate();
  talk.Start();
  ASSERT_TRUE(talk.tracker.MayAsk());
  talk.tracker.Asked(talk.now_ns);
  EXPECT_EQ(talk.tracker.OldestPending(vhost::Channel::kMain), 44u);
  talk.tracker.BackendEnded();
  EXPECT_TRUE(talk.IsOpen(FindingCode::kShmemAdvertisedNoConfig));
}

// alioth as VMM answers every map with 0, asked or not, and takes maps over maps and any unmap.
TEST(TalkOfAlioth, AnswersEverything) {
  Conversation talk;
  const uint64_t features = (kAllFeatures & ~Mask(ProtocolFeature::kShmem)) | uint64_t{1} << 21;
  talk.Negotiate(features, features);
  talk.Start();
  for (uint64_t i = 0; i < 10; ++i) {
    talk.Map({.shm_offset = i * 0x10000, .header_flags = 0x1});
    talk.VmmAnswers(BackendRequest::kShmemMap, 0);
  }
  EXPECT_EQ(talk.Mappings().size(), 10u);
  talk.Unmap({.shm_offset = 0x8000, .len = 0x100000, .header_flags = 0x1});
  talk.VmmAnswers(BackendRequest::kShmemUnmap, 0);
  EXPECT_EQ(talk.Mappings().size(), 1u);
  EXPECT_TRUE(talk.observed());
}

}  // namespace
}  // namespace shmemd::session
