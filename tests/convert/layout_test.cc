#include "server/convert/layout.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "tests/state/filled_table.h"

namespace shmemd::convert {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr uint64_t kPage = 4096;

struct Table : state::FilledTable {
  using FilledTable::FilledTable;
  Layout Draw(size_t max) const { return MakeLayout(table, kPage, max); }
};

// Offset, length, kind, mappings.
Extent At(uint64_t offset, uint64_t len, ExtentKind kind, uint64_t count, uint64_t last = 0) {
  return {offset, len, kind, count, last};
}

TEST(LayoutTest, AnEmptyRegionIsOneFreeExtent) {
  const Layout layout = Table(0x10000).Draw(256);
  EXPECT_THAT(layout.extents, ElementsAre(At(0, 0x10000, ExtentKind::kFree, 0)));
  EXPECT_FALSE(layout.coarse);
}

TEST(LayoutTest, NothingIsKnownOfARegionWithoutSizeAndMappings) {
  EXPECT_THAT(Table(std::nullopt).Draw(256).extents, IsEmpty());
  EXPECT_THAT(Table(0).Draw(256).extents, IsEmpty());
}

TEST(LayoutTest, WithoutASizeThePictureEndsWithTheLastMapping) {
  Table table(std::nullopt);
  table.Map(0x2000, 0x1000);
  EXPECT_THAT(table.Draw(256).extents, ElementsAre(At(0, 0x2000, ExtentKind::kFree, 0),
                                                   At(0x2000, 0x1000, ExtentKind::kReadWrite, 1, 0x2000)));
}

TEST(LayoutTest, NeighboursOfOneKindAreOneExtentAndOthersAreNot) {
  Table table(0x10000);
  table.Map(0x0, 0x1000);
  table.Map(0x1000, 0x1000);
  table.Map(0x2000, 0x1000, false);
  EXPECT_THAT(table.Draw(256).extents, ElementsAre(At(0, 0x2000, ExtentKind::kReadWrite, 2, 0x1000),
                                                   At(0x2000, 0x1000, ExtentKind::kReadOnly, 1, 0x2000),
                                                   At(0x3000, 0xd000, ExtentKind::kFree, 0)));
}

TEST(LayoutTest, OnlyThePartBeyondTheFileIsAtRiskAndStaleIsAsAWhole) {
  Table table(0x8000);
  table.Map(0x0, 0x4000, true, 0x1000);
  table.Map(0x4000, 0x4000, false, 0x100000, state::MappingState::kStale);
  EXPECT_THAT(table.Draw(256).extents, ElementsAre(At(0, 0x1000, ExtentKind::kReadWrite, 1, 0),
                                                   At(0x1000, 0x7000, ExtentKind::kAtRisk, 2, 0x4000)));
}

TEST(LayoutTest, AMappingBeyondTheSizeIsCutThere) {
  Table table(0x3000);
  table.Map(0x2000, 0x4000);
  table.Map(0x8000, 0x1000);
  EXPECT_THAT(table.Draw(256).extents, ElementsAre(At(0, 0x2000, ExtentKind::kFree, 0),
                                                   At(0x2000, 0x1000, ExtentKind::kReadWrite, 1, 0x2000)));
}

TEST(LayoutTest, TooManyExtentsBecomeCellsOfTheKindThatMattersMost) {
  Table table(0x40000);
  table.Map(0x0, 0x1000, false);
  table.Map(0x2000, 0x1000, true);
  table.Map(0x20000, 0x1000, true, 0);
  table.Map(0x22000, 0x1000, true);
  const Layout layout = table.Draw(4);
  EXPECT_TRUE(layout.coarse);
  EXPECT_THAT(layout.extents, ElementsAre(At(0, 0x10000, ExtentKind::kReadWrite, 2, 0x2000),
                                          At(0x10000, 0x10000, ExtentKind::kFree, 0),
                                          At(0x20000, 0x10000, ExtentKind::kAtRisk, 2, 0x22000),
                                          At(0x30000, 0x10000, ExtentKind::kFree, 0)));
}

TEST(LayoutTest, AMappingOfSeveralCellsCountsOnce) {
  Table table(0x40000);
  table.Map(0x8000, 0x20000);
  table.Map(0x30000, 0x1000);
  table.Map(0x32000, 0x1000);
  const Layout layout = table.Draw(3);
  EXPECT_TRUE(layout.coarse);
  ASSERT_EQ(layout.extents.size(), 1);
  EXPECT_EQ(layout.extents[0].mapping_count, 3);
  EXPECT_EQ(layout.extents[0].len, 0x40000);
}

TEST(LayoutTest, TheLargestRegionThereCanBeIsDrawn) {
  Table table(~uint64_t{0});
  table.Map(0, 0x1000);
  table.Map(uint64_t{1} << 63, 0x1000);
  table.Map(~uint64_t{0} - 0x1fff, 0x1000, false);
  for (size_t max : {1, 2, 3, 4, 5, 6, 256}) {
    const Layout layout = table.Draw(max);
    ASSERT_LE(layout.extents.size(), max);
    uint64_t end = 0;
    for (const Extent& extent : layout.extents) {
      EXPECT_EQ(extent.shm_offset, end);
      end += extent.len;
    }
    EXPECT_EQ(end, ~uint64_t{0});
    EXPECT_EQ(layout.coarse, max < 6) << max;
  }
}

// Whatever is mapped: no gap, no overlap, never too many, neighbours differ, and each byte's kind is at least
// what the mapping there asks for.
TEST(LayoutTest, AnyTableIsCoveredWithoutGap) {
  std::mt19937_64 random(7);
  for (int round = 0; round < 200; ++round) {
    const uint64_t size = (random() % 64 + 1) * kPage;
    Table table(round % 5 == 0 ? std::nullopt : std::optional(size));
    for (uint64_t i = 0; i < random() % 40; ++i) {
      table.Map(random() % 64 * kPage, (random() % 3 + 1) * kPage, random() % 2 == 0,
                static_cast<int64_t>(random() % 4 * kPage));
    }
    const size_t max = random() % 20 + 1;
    const Layout layout = table.Draw(max);
    ASSERT_LE(layout.extents.size(), max);
    uint64_t end = 0;
    for (size_t i = 0; i < layout.extents.size(); ++i) {
      const Extent& extent = layout.extents[i];
      ASSERT_EQ(extent.shm_offset, end);
      ASSERT_GT(extent.len, 0);
      ASSERT_EQ(extent.kind == ExtentKind::kFree, extent.mapping_count == 0);
      if (i > 0) {
        ASSERT_NE(extent.kind, layout.extents[i - 1].kind);
      }
      end += extent.len;
    }
    if (round % 5 != 0) {
      ASSERT_EQ(end, size);
    }
  }
}

TEST(LayoutTest, KindsHaveTheirNamesInTheApi) {
  EXPECT_EQ(ToProto(At(0, 1, ExtentKind::kAtRisk, 1)).kind(), v1::LayoutExtent::AT_RISK);
  EXPECT_EQ(ToProto(At(0, 1, ExtentKind::kReadOnly, 1)).kind(), v1::LayoutExtent::READ_ONLY);
  EXPECT_EQ(ToProto(At(0, 1, ExtentKind::kReadWrite, 1)).kind(), v1::LayoutExtent::READ_WRITE);
  const v1::LayoutExtent free = ToProto(At(0, ~uint64_t{0}, ExtentKind::kFree, 0));
  EXPECT_EQ(free.kind(), v1::LayoutExtent::FREE);
  EXPECT_TRUE(free.has_mapping_count());
  EXPECT_EQ(free.length_bytes(), std::numeric_limits<int64_t>::max());
}

}  // namespace
}  // namespace shmemd::convert
