#include "server/web/region_map.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <random>

#include "tests/state/filled_table.h"

namespace shmemd::web {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using Table = state::FilledTable;

constexpr uint64_t kPage = 4096;

struct Drawn {
  uint64_t from, to;
  Paint paint;
  uint64_t mapping_count;
  int quarters;
  bool operator==(const Drawn&) const = default;
};

std::vector<Drawn> Draw(const Table& table, const MapDetail& detail) {
  std::vector<Drawn> out;
  for (const Segment& segment : MakeRegionMap(table.table, detail).segments)
    out.push_back({segment.from, segment.to, segment.paint, segment.mapping_count, segment.quarters});
  return out;
}

constexpr MapDetail kExact{64, 8};
constexpr MapDetail kColumns{0, 8};

TEST(RegionMapTest, NothingMappedIsNoSegment) {
  EXPECT_THAT(Draw(Table(16 * kPage), kExact), IsEmpty());
  EXPECT_THAT(Draw(Table(16 * kPage), kColumns), IsEmpty());
  EXPECT_EQ(MakeRegionMap(Table(16 * kPage).table, kExact).end_bytes, 16 * kPage);
}

TEST(RegionMapTest, ARegionOfNoKnownSizeEndsWithItsLastMapping) {
  Table table(std::nullopt);
  EXPECT_EQ(MakeRegionMap(table.table, kExact).end_bytes, 0U);
  table.Map(2 * kPage, kPage);
  const RegionMap map = MakeRegionMap(table.table, kExact);
  EXPECT_EQ(map.end_bytes, 3 * kPage);
  EXPECT_FALSE(map.size_known);
}

TEST(RegionMapTest, EachMappingIsASegmentInItsPaint) {
  Table table(64 * kPage);
  table.Map(0, kPage);
  table.Map(kPage, kPage);
  table.Map(4 * kPage, 2 * kPage, false);
  table.Map(8 * kPage, kPage, true, int64_t{1} << 50, state::MappingState::kAssumed);
  table.Map(10 * kPage, kPage, true, 0, state::MappingState::kStale);
  table.Map(12 * kPage, 4 * kPage, true, kPage);
  EXPECT_THAT(Draw(table, kExact), ElementsAre(Drawn{0, kPage, Paint::kReadWrite, 1, 4},
                                               Drawn{kPage, 2 * kPage, Paint::kReadWrite, 1, 4},
                                               Drawn{4 * kPage, 6 * kPage, Paint::kReadOnly, 1, 4},
                                               Drawn{8 * kPage, 9 * kPage, Paint::kAssumed, 1, 4},
                                               Drawn{10 * kPage, 11 * kPage, Paint::kStale, 1, 4},
                                               Drawn{12 * kPage, 13 * kPage, Paint::kReadWrite, 1, 4},
                                               Drawn{13 * kPage, 16 * kPage, Paint::kBeyondEnd, 1, 4}));
}

TEST(RegionMapTest, WhatLiesBeyondTheSizeIsCutAway) {
  Table table(4 * kPage);
  table.Map(3 * kPage, 4 * kPage);
  table.Map(9 * kPage, kPage);
  EXPECT_THAT(Draw(table, kExact), ElementsAre(Drawn{3 * kPage, 4 * kPage, Paint::kReadWrite, 1, 4}));
  EXPECT_THAT(Draw(table, kColumns), ElementsAre(Drawn{3 * kPage, 4 * kPage, Paint::kReadWrite, 1, 4}));
}

TEST(RegionMapTest, AColumnShowsTheWorstInItAndHowMuchIsMapped) {
  Table table(uint64_t{128} * kPage);  // columns of 16 pages
  table.Map(0, 4 * kPage);
  table.Map(4 * kPage, kPage, false);
  table.Map(16 * kPage, 16 * kPage, false);
  table.Map(32 * kPage, 16 * kPage, false);
  table.Map(64 * kPage, 8 * kPage, true, 4 * kPage);
  EXPECT_THAT(Draw(table, kColumns), ElementsAre(Drawn{0, 16 * kPage, Paint::kReadWrite, 2, 1},
                                                 Drawn{16 * kPage, 48 * kPage, Paint::kReadOnly, 2, 4},
                                                 Drawn{64 * kPage, 80 * kPage, Paint::kBeyondEnd, 1, 2}));
}

// 96 columns of 1 GiB are no whole number of pages, nor of quarters.
TEST(RegionMapTest, AFullRegionIsDrawnFullWhateverTheWidthOfAColumn) {
  constexpr uint64_t kSize = uint64_t{1} << 30;
  for (const size_t columns : {1, 3, 7, 64, 96, 100}) {
    Table table(kSize);
    for (uint64_t i = 0; i < 128; ++i) table.Map(i * (kSize / 128), kSize / 128);
    EXPECT_THAT(Draw(table, {96, columns}), ElementsAre(Drawn{0, kSize, Paint::kReadWrite, 128, 4}))
        << columns;
  }
}

TEST(RegionMapTest, AColumnIsDrawnToTheNearestQuarterOfIt) {
  const auto quarters = [](uint64_t pages) {
    Table table(uint64_t{128} * kPage);
    table.Map(0, pages * kPage);
    return Draw(table, kColumns).at(0).quarters;
  };
  EXPECT_EQ(quarters(1), 0) << "of 16 pages";
  EXPECT_EQ(quarters(3), 1);
  EXPECT_EQ(quarters(5), 1);
  EXPECT_EQ(quarters(7), 2);
  EXPECT_EQ(quarters(13), 3);
  EXPECT_EQ(quarters(15), 4);
}

TEST(RegionMapTest, AMappingOfSeveralColumnsIsOne) {
  Table table(uint64_t{128} * kPage);
  table.Map(0, 64 * kPage);
  EXPECT_THAT(Draw(table, kColumns), ElementsAre(Drawn{0, 64 * kPage, Paint::kReadWrite, 1, 4}));
  table.Map(64 * kPage, 64 * kPage);
  EXPECT_THAT(Draw(table, kColumns), ElementsAre(Drawn{0, 128 * kPage, Paint::kReadWrite, 2, 4}));
}

TEST(RegionMapTest, ColumnsBeginAtPages) {
  Table table(uint64_t{1} << 30);
  for (uint64_t i = 0; i < 200; ++i) table.Map(i * 1000 * kPage, (i % 7 + 1) * 100 * kPage);
  for (const Segment& segment : MakeRegionMap(table.table, {0, 96}).segments)
    EXPECT_EQ(segment.from % kPage, 0U) << segment.from;
}

// Any 64-bit numbers: in order, inside, without overlap, and no more of them than columns.
TEST(RegionMapTest, ItIsBoundedWhateverIsMapped) {
  std::mt19937_64 random(7);
  for (int round = 0; round < 200; ++round) {
    const uint64_t size = std::numeric_limits<uint64_t>::max() >> (random() % 64);
    Table table(round % 3 == 0 ? std::optional<uint64_t>() : size);
    for (int i = 0; i < 40; ++i) {
      table.Map(random() >> (random() % 64), random() >> (random() % 64), random() % 2 == 0,
                static_cast<int64_t>(random() >> (1 + random() % 63)));
    }
    for (const MapDetail& detail : {MapDetail{1000, 8}, MapDetail{0, 64}, MapDetail{0, 0}}) {
      const RegionMap map = MakeRegionMap(table.table, detail);
      EXPECT_LE(map.segments.size(), map.by_columns ? std::max<size_t>(detail.columns, 1) : 160);
      uint64_t drawn = 0;
      for (const Segment& segment : map.segments) {
        EXPECT_GE(segment.from, drawn);
        EXPECT_GT(segment.to, segment.from);
        EXPECT_LE(segment.to, map.end_bytes);
        EXPECT_LE(segment.quarters, 4);
        EXPECT_GE(segment.mapping_count, 1U);
        EXPECT_LE(segment.mapping_count, table.table.totals().mapping_count);
        drawn = segment.to;
      }
    }
  }
}

}  // namespace
}  // namespace shmemd::web
