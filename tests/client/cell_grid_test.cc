#include "client/print/cell_grid.h"

#include <gtest/gtest.h>

#include <string>

#include "tests/client/fake_shmemd.h"

namespace shmemd::client {
namespace {

v1::GetRegionLayoutResponse Layout(int64_t size_bytes, const std::string& extents) {
  v1::Region region;
  region.set_size_bytes(size_bytes);
  region.set_host_page_size_bytes(4096);
  return LayoutOf(region, extents);
}

TEST(CellGrid, CellIsAPowerOfTwoAndRowsAreFull) {
  const CellGrid grid = MakeCellGrid(Layout(int64_t{4} << 30, "FREE 4294967296"), 66);
  EXPECT_EQ(grid.cells_per_row, 64);
  EXPECT_EQ(grid.cell_bytes, uint64_t{16} << 20);
  EXPECT_EQ(grid.cells.size(), 256U);
}

TEST(CellGrid, CellIsAPageWhileThatFits) {
  EXPECT_EQ(MakeCellGrid(Layout(524288, "FREE 524288"), 66).cell_bytes, 4096U);
}

TEST(CellGrid, OnePageStillFillsARow) {
  const CellGrid grid = MakeCellGrid(Layout(4096, "READ_WRITE 4096"), 66);
  EXPECT_EQ(grid.cells.size(), 64U);
  EXPECT_EQ(grid.cell_bytes, 64U);
  for (const MapCell& cell : grid.cells) EXPECT_EQ(cell, (MapCell{CellKind::kReadWrite, false}));
}

TEST(CellGrid, WhatMattersMostWinsInACell) {
  const CellGrid grid = MakeCellGrid(
      Layout(int64_t{4} << 30,
             "READ_ONLY 4096 READ_WRITE 4096 FREE 16769024 AT_RISK 4096 READ_WRITE 16773120 FREE 4096"),
      66);
  EXPECT_EQ(grid.cells[0], (MapCell{CellKind::kReadWrite, true}));
  EXPECT_EQ(grid.cells[1], (MapCell{CellKind::kAtRisk, false}));
  EXPECT_EQ(grid.cells[2], (MapCell{CellKind::kFree, false}));
}

TEST(CellGrid, HalfIsNotSparse) {
  const CellGrid grid =
      MakeCellGrid(Layout(int64_t{4} << 30, "READ_WRITE 8388608 FREE 8388608 READ_WRITE 8388607 FREE 1"), 66);
  EXPECT_FALSE(grid.cells[0].sparse);
  EXPECT_TRUE(grid.cells[1].sparse);
}

TEST(CellGrid, UnknownSizeEndsWithTheLastMapping) {
  v1::Region region;
  const CellGrid grid = MakeCellGrid(LayoutOf(region, "FREE 4096 READ_ONLY 8192"), 66);
  EXPECT_FALSE(grid.size_known);
  EXPECT_EQ(grid.end_bytes, 12288U);
  EXPECT_TRUE(MakeCellGrid(LayoutOf(region, ""), 66).cells.empty());
}

TEST(CellGrid, ExtentsBeyondTheEndOrNegativeAreCut) {
  auto layout = Layout(8192, "FREE 4096 READ_WRITE 1048576");
  layout.add_extents()->set_shm_offset_bytes(-1);
  layout.mutable_extents(2)->set_length_bytes(-1);
  layout.mutable_extents(2)->set_kind(v1::LayoutExtent::AT_RISK);
  const CellGrid grid = MakeCellGrid(layout, 66);
  EXPECT_EQ(grid.cells.size(), 64U);
  EXPECT_EQ(grid.cells[0].kind, CellKind::kFree);
  EXPECT_EQ(grid.cells[63].kind, CellKind::kReadWrite);
}

TEST(CellGrid, AnyWidthAndSizeGivesAPicture) {
  for (int columns = -5; columns < 400; columns += 7) {
    for (int shift = 0; shift < 63; ++shift) {
      const int64_t size = (int64_t{1} << shift) + shift;
      const CellGrid grid = MakeCellGrid(Layout(size, "READ_WRITE 1"), columns);
      ASSERT_GT(grid.cells.size(), 0U);
      ASSERT_LE(grid.cells.size(), 256U);
      ASSERT_EQ(grid.cells[0].kind, CellKind::kReadWrite);
      ASSERT_GE(grid.cells.size() * grid.cell_bytes, static_cast<uint64_t>(size));
    }
  }
}

}  // namespace
}  // namespace shmemd::client
