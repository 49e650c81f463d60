// Whoever does as the changes say has the same mappings as the table.
#include "server/state/mapping_changes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <utility>
#include <vector>

#include "tests/state/random_events.h"
#include "tests/state/state_fixture.h"

namespace shmemd::state {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;
using Copy = std::map<std::pair<uint8_t, uint64_t>, Mapping>;

class Original {
 public:
  explicit Original(Mode mode)
      : backend_(BackendHandle{1}, {"gpu0", "/run/gpu0.sock", mode}, "uid", 0, kPage) {}

  MappingChanges Apply(const EventBody& body) {
    Event event;
    event.sequence = ++sequence_;
    event.wall_time_ns = static_cast<int64_t>(sequence_);
    event.body = body;
    return ApplyAndCompare(backend_, event);
  }
  MappingChanges Map(uint64_t shm_offset, uint64_t len) {
    return Apply(MapSettled{MapOf(0, shm_offset, len), 1});
  }
  MappingChanges Unmap(uint64_t shm_offset, uint64_t len) {
    return Apply(UnmapSettled{UnmapOf(0, shm_offset, len), 1});
  }

  Copy Mappings() const {
    Copy all;
    for (const auto& [shmid, region] : backend_.regions()) {
      region.table.ForEach(0, [&](const Mapping& mapping) {
        all[{mapping.shmid, mapping.shm_offset}] = mapping;
        return true;
      });
    }
    return all;
  }

 private:
  Backend backend_;
  uint64_t sequence_ = 0;
};

uint8_t ShmidOf(const EventBody& body) {
  if (const auto* settled = std::get_if<MapSettled>(&body)) return settled->request.shmid;
  if (const auto* settled = std::get_if<UnmapSettled>(&body)) return settled->request.shmid;
  if (const auto* requested = std::get_if<UnmapRequested>(&body)) return requested->request.shmid;
  return 0;
}

void Follow(Copy& copy, const EventBody& body, const MappingChanges& changes) {
  if (changes.all_removed) copy.clear();
  for (auto& [key, mapping] : copy) {
    if (changes.all_stale) mapping.state = MappingState::kStale;
    if (changes.all_stale) mapping.unmap_pending = false;
  }
  for (uint64_t offset : changes.removed) copy.erase({ShmidOf(body), offset});
  for (const Mapping& mapping : changes.put) copy[{mapping.shmid, mapping.shm_offset}] = mapping;
}

class MappingChangesTest : public testing::TestWithParam<uint32_t> {};

TEST_P(MappingChangesTest, ACopyThatFollowsThemStaysEqual) {
  Original original(GetParam() % 2 == 0 ? Mode::kRelay : Mode::kFrontend);
  RandomEvents events(GetParam());
  Copy copy;
  for (int i = 0; i < 2000; ++i) {
    const EventBody body = events.Next();
    Follow(copy, body, original.Apply(body));
    ASSERT_TRUE(copy == original.Mappings()) << "after event " << i << ", of kind " << body.index();
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, MappingChangesTest, testing::Range(0U, 20U));

TEST(MappingChanges, OneMapAndItsUnmapAreOneChangeEach) {
  Original original(Mode::kRelay);
  EXPECT_THAT(original.Map(0x1000, 0x1000).put, SizeIs(1));
  const MappingChanges gone = original.Unmap(0x1000, 0x1000);
  EXPECT_THAT(gone.removed, ElementsAre(0x1000));
  EXPECT_THAT(gone.put, IsEmpty());
}

TEST(MappingChanges, AMapIntoTheMiddleLeavesTwoPieces) {
  Original original(Mode::kRelay);
  original.Map(0x0, 0x10000);
  const MappingChanges changes = original.Map(0x4000, 0x1000);
  EXPECT_THAT(changes.removed, IsEmpty());
  ASSERT_THAT(changes.put, SizeIs(3));
  EXPECT_EQ(changes.put[0].len, 0x4000);
  EXPECT_EQ(changes.put[2].shm_offset, 0x5000);
}

TEST(MappingChanges, WhatIsRefusedChangesNothing) {
  Original original(Mode::kRelay);
  original.Map(0x0, 0x1000);
  EXPECT_EQ(original.Apply(MapSettled{MapOf(0, 0, 0x1000), 1, 22}), MappingChanges());
  EXPECT_EQ(original.Apply(MapRequested{MapOf(0, 0, 0x1000)}), MappingChanges());
}

TEST(MappingChanges, AMapOverVeryManyIsNotListed) {
  Original original(Mode::kRelay);
  for (uint64_t i = 0; i < kMaxMappingChanges + 1; ++i) original.Map(i * kPage, kPage);
  const MappingChanges changes = original.Map(0, 0x10000000);
  EXPECT_TRUE(changes.too_many);
  EXPECT_THAT(changes.put, IsEmpty());
  EXPECT_THAT(changes.removed, IsEmpty());
  EXPECT_THAT(original.Mappings(), SizeIs(1));
}

TEST(MappingChanges, ALostBackendIsSaidInOneWord) {
  Original relayed(Mode::kRelay);
  EXPECT_EQ(relayed.Apply(Disconnected{BackendState::kDisconnected, {}}), MappingChanges());
  relayed.Map(0, kPage);
  EXPECT_TRUE(relayed.Apply(Disconnected{BackendState::kDisconnected, {}}).all_stale);
  EXPECT_TRUE(relayed.Apply(Connected{}).all_removed);
  Original owned(Mode::kFrontend);
  owned.Map(0, kPage);
  EXPECT_TRUE(owned.Apply(Disconnected{BackendState::kDisconnected, {}}).all_removed);
}

}  // namespace
}  // namespace shmemd::state
