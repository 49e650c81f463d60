// The guard: one test for each rule of the table, and what protect does.
#include <gtest/gtest.h>

#include <functional>
#include <map>

#include "server/session/guard_rules.h"
#include "tests/session/tracker_fixture.h"

namespace shmemd::session {
namespace {

using state::FindingCode;
using state::Guard;

TrackerOptions With(Guard guard) { return {.guard = guard, .previous_config = {}}; }

bool IsOpenSomewhere(const Conversation& talk, FindingCode code) {
  for (const auto& [key, finding] : talk.sink.table().findings()) {
    if (finding.code == code && finding.open) return true;
  }
  return false;
}

void Ready(Conversation& talk, const std::vector<uint64_t>& sizes = {0x1000000}) {
  talk.Negotiate();
  talk.AskConfig(sizes);
  talk.Start();
}
void MapFile(Conversation& talk, const std::function<void(MapText&)>& change) {
  Ready(talk);
  MapText map;
  change(map);
  talk.MapDone(map);
}

// What leads to the finding of each rule.
const std::map<FindingCode, std::function<void(Conversation&)>>& Stories() {
  static const std::map<FindingCode, std::function<void(Conversation&)>> kStories = {
      {FindingCode::kMapWhenStopped,
       [](Conversation& talk) {
         talk.Negotiate();
         talk.Map();
       }},
      {FindingCode::kReadOnlyNotEnforced,
       [](Conversation& talk) { MapFile(talk, [](MapText& map) { map.flags = 0; }); }},
      {FindingCode::kMemoryTableFull,
       [](Conversation& talk) {
         Ready(talk);
         talk.SetMemTable({Ram(), Ram(0x100000000)});
         for (uint64_t i = 0; i < 7; ++i) talk.MapDone({.shm_offset = i * 0x10000});
       }},
      {FindingCode::kEchoDeadlock,
       [](Conversation& talk) {
         Ready(talk);
         talk.MapDone();
         talk.Map({.shm_offset = 0x40000});
         talk.AddMemReg(EchoOf(FileOf(100), 0x2000), false);
         talk.tracker.OnDeadline(talk.now_ns + 2'000'000'000);
       }},
      {FindingCode::kRegionSumNotPowerOfTwo,
       [](Conversation& talk) {
         Ready(talk, {0x100000, 0x200000});
       }},
      {FindingCode::kConfigReplyMalformed,
       [](Conversation& talk) {
         talk.Negotiate();
         talk.Ask(FrontendRequest::kGetShmemConfig);
         talk.Reply(FrontendRequest::kGetShmemConfig, std::vector<uint8_t>(2064));
       }},
      {FindingCode::kConfigReplyTruncated,
       [](Conversation& talk) {
         talk.Negotiate();
         talk.Ask(FrontendRequest::kGetShmemConfig);
         talk.Reply(FrontendRequest::kGetShmemConfig, std::vector<uint8_t>(24));
       }},
      {FindingCode::kShmemBitMismatch,
       [](Conversation& talk) { talk.Negotiate(uint64_t{1} << 21, uint64_t{1} << 21); }},
      {FindingCode::kEmptyBacking,
       [](Conversation& talk) { MapFile(talk, [](MapText& map) { map.fd.size_bytes = 0; }); }},
      {FindingCode::kShrinkableBacking,
       [](Conversation& talk) { MapFile(talk, [](MapText& map) { map.fd.seals = 0; }); }},
      {FindingCode::kBeyondEof,
       [](Conversation& talk) { MapFile(talk, [](MapText& map) { map.fd.size_bytes = 0x4000; }); }},
      {FindingCode::kFdNotWritable,
       [](Conversation& talk) {
         MapFile(talk, [](MapText& map) { map.fd.access = base::FdAccess::kReadOnly; });
       }},
      {FindingCode::kFdOffsetUnaligned,
       [](Conversation& talk) { MapFile(talk, [](MapText& map) { map.fd_offset = 0x800; }); }},
  };
  return kStories;
}

TEST(GuardRules, EachIsShownByItsFindingAndNamesTheVmm) {
  EXPECT_EQ(GuardRules().size(), Stories().size());
  for (const GuardRule& rule : GuardRules()) {
    const std::string name(state::FindingCodeName(rule.code));
    ASSERT_TRUE(Stories().contains(rule.code)) << name;
    EXPECT_FALSE(rule.protects.empty()) << name;
    EXPECT_FALSE(rule.happens.empty()) << name;
    Conversation warned(With(Guard::kWarn));
    Stories().at(rule.code)(warned);
    EXPECT_TRUE(IsOpenSomewhere(warned, rule.code)) << name;
    Conversation off(With(Guard::kOff));
    Stories().at(rule.code)(off);
    EXPECT_EQ(IsOpenSomewhere(off, rule.code), rule.always_shown) << name;
  }
}

TEST(GuardRules, NothingButProtectAltersATalk) {
  for (const Guard guard : {Guard::kOff, Guard::kWarn}) {
    Conversation talk(With(guard));
    talk.Negotiate();
    EXPECT_EQ(talk.Map(), Verdict::kForward);
    EXPECT_EQ(talk.Unmap(), Verdict::kForward);
    EXPECT_EQ(talk.Map({.header_flags = 0x1}), Verdict::kForward);
  }
}

TEST(GuardWarn, MapsAreOddBeforeTheFirstRingIsEnabledAndFromTheFirstOneDisabledOn) {
  Conversation talk;
  talk.Negotiate();
  const auto counted = [&] {
    const state::Finding* finding = talk.sink.under_test.Find(FindingCode::kMapWhenStopped, 0);
    return finding == nullptr ? uint64_t{0} : finding->count;
  };
  talk.MapDone();
  EXPECT_EQ(counted(), 1u);
  talk.Start(2);
  talk.MapDone({.shm_offset = 0x20000});
  EXPECT_EQ(counted(), 1u);
  talk.Enable(0, false);
  talk.MapDone({.shm_offset = 0x40000});
  EXPECT_EQ(counted(), 2u);
  talk.Unmap();
  EXPECT_EQ(counted(), 3u);
  talk.Enable(0, true);
  talk.Unmap();
  EXPECT_EQ(counted(), 3u);
}

TEST(GuardWarn, TheMemoryTableIsFullWithTheSeventhMapOnlyWithoutMemSlots) {
  for (const bool slots : {false, true}) {
    Conversation talk;
    const uint64_t features =
        kAllFeatures | (slots ? Mask(ProtocolFeature::kConfigureMemSlots) : uint64_t{0});
    talk.Negotiate(features, features);
    talk.Start();
    std::vector<TableEntry> table = {Ram(), Ram(0x100000000)};
    talk.SetMemTable(table);
    for (uint64_t i = 0; i < 6; ++i) {
      const MapText map{.shm_offset = i * 0x10000, .fd_offset = i * 0x10000};
      talk.MapDone(map);
      table.push_back(EchoOf(map.fd, map.fd_offset, 0x900000000 + map.shm_offset));
      talk.SetMemTable(table);
    }
    EXPECT_FALSE(talk.IsOpen(FindingCode::kMemoryTableFull));
    talk.MapDone({.shm_offset = 0x100000, .fd_offset = 0x100000});
    EXPECT_EQ(talk.IsOpen(FindingCode::kMemoryTableFull), !slots);
    talk.Unmap({.shm_offset = 0});
    talk.VmmAnswers(BackendRequest::kShmemUnmap, 0);
    table.erase(table.begin() + 2);
    talk.SetMemTable(table);
    EXPECT_FALSE(talk.IsOpen(FindingCode::kMemoryTableFull));
  }
}

TEST(GuardWarn, TheEchoDeadlockIsSaidAfterTwoSecondsAndClosedWithAnAnswer) {
  Conversation talk;
  Ready(talk);
  talk.MapDone();
  talk.Map({.shm_offset = 0x40000});
  EXPECT_EQ(talk.tracker.NextDeadline(), INT64_MAX);
  const int64_t since_ns = talk.now_ns;
  talk.SetMemTable({Ram(), EchoOf(FileOf(100), 0x2000)}, false);
  EXPECT_EQ(talk.tracker.NextDeadline(), since_ns + 2'000'000'000);
  talk.tracker.OnDeadline(since_ns + 1'999'999'999);
  EXPECT_FALSE(talk.IsOpen(FindingCode::kEchoDeadlock));
  talk.tracker.OnDeadline(since_ns + 2'000'000'000);
  EXPECT_TRUE(talk.IsOpen(FindingCode::kEchoDeadlock));
  EXPECT_EQ(talk.tracker.NextDeadline(), INT64_MAX);
  talk.ReplyU64(FrontendRequest::kSetMemTable, 0);
  EXPECT_FALSE(talk.IsOpen(FindingCode::kEchoDeadlock));
}

class GuardProtect : public ::testing::Test {
 protected:
  GuardProtect() { talk.Negotiate(); }
  Conversation talk{With(Guard::kProtect)};
};

TEST_F(GuardProtect, RefusesWhatAsksForAnAnswerAndDropsWhatDoesNot) {
  EXPECT_EQ(talk.Map(), Verdict::kRefuse);
  EXPECT_TRUE(talk.IsOpen(FindingCode::kGuardRefused, 0));
  EXPECT_EQ(talk.Unmap({.header_flags = 0x1}), Verdict::kDrop);
  EXPECT_TRUE(talk.IsOpen(FindingCode::kGuardDropped, 0));
  EXPECT_EQ(talk.status().guard_refused, 1u);
  EXPECT_EQ(talk.status().guard_dropped, 1u);
  EXPECT_EQ(talk.status().pending_requests, 0u);
  EXPECT_TRUE(talk.Mappings().empty());
  EXPECT_FALSE(talk.IsOpen(FindingCode::kMapWhenStopped, 0));
  EXPECT_EQ(talk.status().state, state::BackendState::kNegotiating);
  // The VMM never saw them: nothing is pending.
  EXPECT_EQ(talk.tracker.OldestPending(vhost::Channel::kBackend), 0u);
}

TEST_F(GuardProtect, LeavesARunningDeviceAlone) {
  talk.Start();
  EXPECT_EQ(talk.Map(), Verdict::kForward);
  talk.VmmAnswers(BackendRequest::kShmemMap, 0);
  talk.Stop();
  EXPECT_EQ(talk.Unmap(), Verdict::kRefuse);
  talk.Start();
  EXPECT_EQ(talk.Unmap(), Verdict::kForward);
}

TEST_F(GuardProtect, LeavesOtherMessagesAlone) {
  EXPECT_EQ(talk.BackendAsks(Id(BackendRequest::kConfigChangeMsg), {}, 0x9), Verdict::kForward);
  EXPECT_EQ(talk.BackendAsks(77, {}, 0x9), Verdict::kForward);
}

TEST_F(GuardProtect, HoldsARefusalUntilOlderRequestsAreAnswered) {
  talk.Start();
  talk.Map();
  talk.Enable(0, false);
  EXPECT_EQ(talk.Map({.shm_offset = 0x40000}), Verdict::kHold);
  EXPECT_EQ(talk.status().pending_requests, 1u);
  talk.VmmAnswers(BackendRequest::kShmemMap, 0);
  EXPECT_EQ(talk.Map({.shm_offset = 0x40000}), Verdict::kRefuse);
}

TEST_F(GuardProtect, AHeldMapGoesOnIfTheDeviceHasStartedMeanwhile) {
  talk.Start();
  talk.Map();
  talk.Enable(0, false);
  EXPECT_EQ(talk.Map({.shm_offset = 0x40000}), Verdict::kHold);
  talk.Enable(0, true);
  EXPECT_EQ(talk.Map({.shm_offset = 0x40000}), Verdict::kForward);
}

TEST(GuardRefusal, IsTheAnswerThatQemuGives) {
  const std::array<uint8_t, 20> expected = {9, 0, 0, 0, 5, 0, 0, 0, 8, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0};
  EXPECT_EQ(RefusalOf({9, 0x9, 40}), expected);
}

}  // namespace
}  // namespace shmemd::session
