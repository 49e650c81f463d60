#include "server/state/region_table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "tests/state/state_fixture.h"

namespace shmemd::state {
namespace {

using Outcome = RegionTable::Outcome;
using testing::ElementsAre;

constexpr uint64_t kMax = UINT64_MAX;

// "offset+len@fd_offset" of every mapping.
std::vector<std::string> Ranges(const RegionTable& table) {
  std::vector<std::string> ranges;
  for (const Mapping& mapping : MappingsOf(table)) {
    ranges.push_back(std::to_string(mapping.shm_offset) + "+" + std::to_string(mapping.len) + "@" +
                     std::to_string(mapping.fd_offset));
  }
  return ranges;
}

class RegionTableTest : public testing::Test {
 protected:
  Mapping At(uint64_t shm_offset, uint64_t len, uint64_t fd_offset = 0) {
    Mapping mapping = MappingAt(shm_offset, len);
    mapping.fd_offset = fd_offset;
    mapping.sequence = ++sequence_;
    mapping.epoch = 3;
    return mapping;
  }

  BackingPool pool_;
  RegionTable table_{pool_};
  uint64_t sequence_ = 0;
};

TEST_F(RegionTableTest, OverlayInTheMiddleLeavesBothSidesWithTheirIdentity) {
  EXPECT_EQ(table_.Insert(At(100, 100, 1000)), Outcome::kClean);
  EXPECT_EQ(table_.Insert(At(140, 20, 7)), Outcome::kReplaced);
  EXPECT_THAT(Ranges(table_), ElementsAre("100+40@1000", "140+20@7", "160+40@1060"));
  const std::vector<Mapping> mappings = MappingsOf(table_);
  EXPECT_EQ(mappings[0].sequence, 1U);
  EXPECT_EQ(mappings[1].sequence, 2U);
  EXPECT_EQ(mappings[2].sequence, 1U);
  EXPECT_EQ(mappings[2].epoch, 3U);
  EXPECT_EQ(table_.totals().mapped_bytes, 100U);
}

TEST_F(RegionTableTest, OverlaySwallowsWhatItCovers) {
  for (uint64_t i = 0; i < 10; ++i) table_.Insert(At(i * 10, 10, i));
  EXPECT_EQ(table_.Insert(At(15, 70, 500)), Outcome::kReplaced);
  EXPECT_THAT(Ranges(table_), ElementsAre("0+10@0", "10+5@1", "15+70@500", "85+5@13", "90+10@9"));
}

TEST_F(RegionTableTest, NeighboursThatTouchAreNoOverlap) {
  EXPECT_EQ(table_.Insert(At(100, 50)), Outcome::kClean);
  EXPECT_EQ(table_.Insert(At(150, 50)), Outcome::kClean);
  EXPECT_EQ(table_.Insert(At(50, 50)), Outcome::kClean);
  EXPECT_EQ(table_.totals().mapping_count, 3U);
}

TEST_F(RegionTableTest, ReplacingOnlyStaleIsToldApart) {
  table_.Insert(At(0, 50));
  table_.MarkAllStale();
  EXPECT_EQ(table_.totals().mapped_bytes, 0U);
  EXPECT_EQ(table_.totals().stale_bytes, 50U);
  EXPECT_EQ(table_.totals().at_risk_bytes, 50U);
  EXPECT_EQ(table_.Insert(At(10, 10)), Outcome::kReplacedStale);
  EXPECT_EQ(table_.Insert(At(15, 10)), Outcome::kReplaced);
}

TEST_F(RegionTableTest, EraseTakesTheExactRangeElseTheOneThatStartsThereElseTheOverlap) {
  const auto fill = [this] {
    table_.Clear();
    table_.Insert(At(100, 100));
    table_.Insert(At(200, 100));
  };
  fill();
  EXPECT_EQ(table_.Erase(100, 100), Outcome::kClean);
  EXPECT_THAT(Ranges(table_), ElementsAre("200+100@0"));
  fill();
  EXPECT_EQ(table_.Erase(100, 150), Outcome::kPartial);
  EXPECT_THAT(Ranges(table_), ElementsAre("200+100@0"));
  fill();
  EXPECT_EQ(table_.Erase(100, 0), Outcome::kPartial) << "crosvm's peers unmap with a len that means nothing";
  EXPECT_THAT(Ranges(table_), ElementsAre("200+100@0"));
  fill();
  EXPECT_EQ(table_.Erase(150, 100), Outcome::kPartial);
  EXPECT_THAT(Ranges(table_), ElementsAre("100+50@0", "250+50@50"));
  fill();
  EXPECT_EQ(table_.Erase(300, 100), Outcome::kNothing);
  EXPECT_EQ(table_.Erase(150, 0), Outcome::kNothing);
  EXPECT_EQ(table_.totals().mapping_count, 2U);
}

TEST_F(RegionTableTest, HolesFollowTheSize) {
  table_.Insert(At(100, 100));
  table_.Insert(At(1000, 100));
  EXPECT_EQ(table_.free_bytes(), 0U) << "size not known";
  EXPECT_EQ(table_.hole_count(), 0U);
  EXPECT_EQ(table_.largest_hole_bytes(), 0U);

  table_.SetSize(2000);
  EXPECT_EQ(table_.free_bytes(), 1800U);
  EXPECT_EQ(table_.hole_count(), 3U);
  EXPECT_EQ(table_.largest_hole_bytes(), 900U);

  table_.SetSize(150);
  EXPECT_EQ(table_.free_bytes(), 100U);
  EXPECT_EQ(table_.hole_count(), 1U);
  EXPECT_EQ(table_.totals().mapped_bytes, 200U) << "mappings beyond the size are kept";

  table_.SetSize(std::nullopt);
  EXPECT_EQ(table_.hole_count(), 0U);
}

TEST_F(RegionTableTest, StaleRangesAreNotFree) {
  table_.SetSize(100);
  table_.Insert(At(0, 100));
  table_.MarkAllStale();
  EXPECT_EQ(table_.free_bytes(), 0U);
}

TEST_F(RegionTableTest, HostileRangesAreCutAtTheTop) {
  table_.SetSize(kMax);
  EXPECT_EQ(table_.Insert(At(0, kMax)), Outcome::kClean);
  EXPECT_EQ(table_.totals().mapped_bytes, kMax);
  EXPECT_EQ(table_.free_bytes(), 0U);
  EXPECT_EQ(table_.Insert(At(kMax - 9, kMax, kMax)), Outcome::kReplaced);
  EXPECT_EQ(table_.totals().mapped_bytes, kMax) << "still every byte but the last";
  EXPECT_EQ(table_.Find(kMax - 9)->len, 9U);
  EXPECT_EQ(table_.Insert(At(kMax, 1)), Outcome::kNothing);
  EXPECT_FALSE(table_.Find(kMax).has_value());
  EXPECT_EQ(table_.Erase(1, kMax), Outcome::kPartial);
  EXPECT_THAT(Ranges(table_), ElementsAre("0+1@0"));
  EXPECT_EQ(table_.largest_hole_bytes(), kMax - 1);
}

TEST_F(RegionTableTest, AWrappingFileOffsetStaysAtTheTop) {
  table_.Insert(At(0, 100, kMax - 10));
  table_.Erase(20, 10);
  EXPECT_EQ(table_.Find(50)->fd_offset, kMax);
}

TEST_F(RegionTableTest, KeepsWhatDoesNotFitIntoAPackedMapping) {
  Mapping odd = At(100, 100);
  odd.flags = 0xfff0;
  odd.ack_latency_ns = int64_t{1} << 50;
  odd.unmap_pending = true;
  odd.in_memory_table = InMemoryTable::kNo;
  table_.Insert(odd);
  EXPECT_EQ(*table_.Find(100), odd);
  table_.Erase(150, 10);
  EXPECT_EQ(table_.Find(170)->flags, 0xfff0U);
  EXPECT_EQ(table_.Find(170)->ack_latency_ns, int64_t{1} << 50);
  EXPECT_FALSE(table_.Find(170)->writable());
}

TEST_F(RegionTableTest, CutOffPartsWithinTheFileAreNotOddAnyMore) {
  Mapping mapping = At(0, 100);
  mapping.fd.size_bytes = 60;
  mapping.oddities = OdditiesOf(mapping, kPage);
  table_.Insert(mapping);
  EXPECT_EQ(table_.totals().at_risk_bytes, 40U);
  EXPECT_EQ(table_.oddities() & kOddBeyondEof, kOddBeyondEof);
  table_.Erase(50, 50);
  EXPECT_EQ(table_.totals().at_risk_bytes, 0U);
  EXPECT_EQ(table_.oddities() & kOddBeyondEof, 0);
}

TEST_F(RegionTableTest, FilesAreForgottenWithTheirLastMapping) {
  for (uint64_t i = 0; i < 100; ++i) {
    Mapping mapping = At(i * 10, 10);
    mapping.fd.inode = i % 10;
    table_.Insert(mapping);
  }
  EXPECT_EQ(pool_.size(), 10U);
  table_.Erase(5, 990);
  EXPECT_EQ(pool_.size(), 2U);
  RegionTable moved = std::move(table_);
  EXPECT_EQ(MappingsOf(moved).size(), 2U);
  moved.Clear();
  EXPECT_EQ(pool_.size(), 0U);
}

TEST_F(RegionTableTest, ForEachStartsAtTheFirstMappingBehindTheOffsetAndStopsWhenTold) {
  for (uint64_t i = 0; i < 200; ++i) table_.Insert(At(i * 10, 5));
  std::vector<uint64_t> seen;
  table_.ForEach(641, [&](const Mapping& mapping) {
    seen.push_back(mapping.shm_offset);
    return seen.size() < 3;
  });
  EXPECT_THAT(seen, ElementsAre(650, 660, 670));
  table_.ForEach(1991, [](const Mapping&) -> bool {
    ADD_FAILURE() << "nothing is there";
    return false;
  });
}

TEST_F(RegionTableTest, FindCoversTheWholeMappingAndNoMore) {
  table_.Insert(At(100, 10));
  EXPECT_FALSE(table_.Find(99).has_value());
  EXPECT_TRUE(table_.Find(100).has_value());
  EXPECT_TRUE(table_.Find(109).has_value());
  EXPECT_FALSE(table_.Find(110).has_value());
}

struct MapCase {
  const char* name;
  uint64_t shm_offset;
  uint64_t len;
  uint64_t fd_offset;
  int fd_count;
  RequestFailure expected;
};

class CheckMapTest : public RegionTableTest, public testing::WithParamInterface<MapCase> {};

// The region has 16 pages; mapped are page 4, and 0x800 bytes of page 8.
TEST_P(CheckMapTest, Answers) {
  table_.SetSize(16 * kPage);
  table_.Insert(At(4 * kPage, kPage));
  table_.Insert(At(8 * kPage, 0x800));
  MapRequest request = MapOf(0, GetParam().shm_offset, GetParam().len);
  request.fd_offset = GetParam().fd_offset;
  request.fd_count = static_cast<uint16_t>(GetParam().fd_count);
  EXPECT_EQ(table_.CheckMap(request, kPage), GetParam().expected);
  if (GetParam().expected != RequestFailure::kNone) return;
  EXPECT_EQ(table_.Insert(At(request.shm_offset, request.len)), Outcome::kClean);
}

INSTANTIATE_TEST_SUITE_P(
    Cases, CheckMapTest,
    testing::Values(MapCase{"first_page", 0, kPage, 0, 1, RequestFailure::kNone},
                    MapCase{"last_page", 15 * kPage, kPage, 0, 1, RequestFailure::kNone},
                    MapCase{"between_two", 5 * kPage, 3 * kPage, 0, 1, RequestFailure::kNone},
                    MapCase{"unaligned_len", 0, 0x3800, 0, 1, RequestFailure::kNone},
                    MapCase{"page_after_unaligned_len", 9 * kPage, kPage, 0, 1, RequestFailure::kNone},
                    MapCase{"rest_of_a_page", 8 * kPage + 0x800, 0x800, 0, 1, RequestFailure::kUnaligned},
                    MapCase{"same_again", 4 * kPage, kPage, 0, 1, RequestFailure::kOverlap},
                    MapCase{"one_byte_of_it", 3 * kPage, kPage + 1, 0, 1, RequestFailure::kOverlap},
                    MapCase{"around_it", 0, 6 * kPage, 0, 1, RequestFailure::kOverlap},
                    MapCase{"len_0", 0, 0, 0, 1, RequestFailure::kLenZero},
                    MapCase{"one_byte_too_long", 15 * kPage, kPage + 1, 0, 1, RequestFailure::kOutOfRange},
                    MapCase{"behind_the_end", 16 * kPage, kPage, 0, 1, RequestFailure::kOutOfRange},
                    MapCase{"far_behind_the_end", kMax & ~(kPage - 1), 1, 0, 1, RequestFailure::kOutOfRange},
                    MapCase{"wrapping", kPage, kMax, 0, 1, RequestFailure::kOutOfRange},
                    MapCase{"wrapping_to_itself", kPage, kMax - kPage + 1, 0, 1, RequestFailure::kOutOfRange},
                    MapCase{"wrapping_file", 0, kPage, kMax & ~(kPage - 1), 1, RequestFailure::kOutOfRange},
                    MapCase{"unaligned", 0x800, kPage, 0, 1, RequestFailure::kUnaligned},
                    MapCase{"unaligned_file", 0, kPage, 0x800, 1, RequestFailure::kFdOffsetUnaligned},
                    MapCase{"no_fd", 0, kPage, 0, 0, RequestFailure::kNoFd},
                    MapCase{"two_fds", 0, kPage, 0, 2, RequestFailure::kExtraFds}),
    [](const auto& param_info) { return std::string(param_info.param.name); });

struct UnmapCase {
  const char* name;
  uint64_t shm_offset;
  uint64_t len;
  RequestFailure expected;
};

class CheckUnmapTest : public RegionTableTest, public testing::WithParamInterface<UnmapCase> {};

TEST_P(CheckUnmapTest, Answers) {
  table_.SetSize(16 * kPage);
  table_.Insert(At(4 * kPage, 2 * kPage));
  table_.Insert(At(6 * kPage, 0x800));
  EXPECT_EQ(table_.CheckUnmap(UnmapOf(0, GetParam().shm_offset, GetParam().len)), GetParam().expected);
  if (GetParam().expected != RequestFailure::kNone) return;
  EXPECT_EQ(table_.Erase(GetParam().shm_offset, GetParam().len), Outcome::kClean);
}

INSTANTIATE_TEST_SUITE_P(
    Cases, CheckUnmapTest,
    testing::Values(UnmapCase{"exact", 4 * kPage, 2 * kPage, RequestFailure::kNone},
                    UnmapCase{"exact_unaligned_len", 6 * kPage, 0x800, RequestFailure::kNone},
                    UnmapCase{"first_half", 4 * kPage, kPage, RequestFailure::kPartial},
                    UnmapCase{"second_half", 5 * kPage, kPage, RequestFailure::kPartial},
                    UnmapCase{"rounded_up", 6 * kPage, kPage, RequestFailure::kPartial},
                    UnmapCase{"two_at_once", 4 * kPage, 2 * kPage + 0x800, RequestFailure::kPartial},
                    UnmapCase{"nothing_there", 0, kPage, RequestFailure::kNotMapped},
                    UnmapCase{"len_0", 4 * kPage, 0, RequestFailure::kLenZero},
                    UnmapCase{"behind_the_end", 16 * kPage, kPage, RequestFailure::kOutOfRange},
                    UnmapCase{"wrapping", 4 * kPage, kMax, RequestFailure::kOutOfRange}),
    [](const auto& param_info) { return std::string(param_info.param.name); });

}  // namespace
}  // namespace shmemd::state
