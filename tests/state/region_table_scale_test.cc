// One million mappings in one region.
#include <gtest/gtest.h>
#include <malloc.h>

#include <chrono>
#include <cstdio>
#include <random>
#include <vector>

#include "server/state/region_table.h"
#include "tests/state/state_fixture.h"

namespace shmemd::state {
namespace {

constexpr uint64_t kMappings = 1'000'000;
constexpr uint64_t kStride = 2 * kPage;  // every mapping has a hole behind it
constexpr double kMostBytesPerMapping = 96;

// Sanitizers keep allocations to themselves.
size_t AllocatedBytes() { return mallinfo2().uordblks + mallinfo2().hblkhd; }

std::vector<uint64_t> Offsets(bool in_order) {
  std::vector<uint64_t> offsets(kMappings);
  for (uint64_t i = 0; i < kMappings; ++i) offsets[i] = i * kStride;
  if (!in_order) std::shuffle(offsets.begin(), offsets.end(), std::mt19937(1));
  return offsets;
}

class Stopwatch {
 public:
  double NanosecondsEach() const {
    const std::chrono::duration<double, std::nano> spent = std::chrono::steady_clock::now() - start_;
    return spent.count() / kMappings;
  }

 private:
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

class RegionTableScaleTest : public testing::TestWithParam<bool> {};

TEST_P(RegionTableScaleTest, HoldsAMillionMappingsInFewBytes) {
  const std::vector<uint64_t> offsets = Offsets(GetParam());
  BackingPool pool;
  const size_t before = AllocatedBytes();
  RegionTable table(pool);
  table.SetSize(kMappings * kStride);

  Stopwatch inserting;
  for (const uint64_t offset : offsets) table.Insert(MappingAt(offset, kPage));
  const double insert_ns = inserting.NanosecondsEach();
  const double bytes = static_cast<double>(AllocatedBytes() - before) / kMappings;

  EXPECT_EQ(table.totals().mapping_count, kMappings);
  EXPECT_EQ(table.totals().mapped_bytes, kMappings * kPage);
  EXPECT_EQ(table.hole_count(), kMappings);
  EXPECT_EQ(table.largest_hole_bytes(), kPage);

  Stopwatch iterating;
  uint64_t next = 0;
  table.ForEach(0, [&](const Mapping& mapping) { return mapping.shm_offset == kStride * next++; });
  const double iterate_ns = iterating.NanosecondsEach();
  EXPECT_EQ(next, kMappings);

  Stopwatch erasing;
  for (const uint64_t offset : offsets) table.Erase(offset, kPage);
  const double erase_ns = erasing.NanosecondsEach();
  EXPECT_EQ(table.totals(), RegionTotals{});
  EXPECT_EQ(table.largest_hole_bytes(), kMappings * kStride);

  std::printf("1,000,000 mappings %s: %.1f bytes, insert %.0f ns, visit %.1f ns, erase %.0f ns each\n",
              GetParam() ? "in order" : "shuffled", bytes, insert_ns, iterate_ns, erase_ns);
  EXPECT_LE(bytes, kMostBytesPerMapping);
}

TEST(RegionTableMemoryTest, ShrinksWhenMostMappingsAreGone) {
  BackingPool pool;
  const size_t before = AllocatedBytes();
  RegionTable table(pool);
  for (const uint64_t offset : Offsets(false)) table.Insert(MappingAt(offset, kPage));
  const uint64_t kept_every = 64;
  for (uint64_t i = 0; i < kMappings; ++i) {
    if (i % kept_every != 0) table.Erase(i * kStride, kPage);
  }
  const uint64_t kept = kMappings / kept_every;
  EXPECT_EQ(table.totals().mapping_count, kept);
  const double bytes = static_cast<double>(AllocatedBytes() - before) / static_cast<double>(kept);
  std::printf("after erasing 63 of 64: %.1f bytes each\n", bytes);
  EXPECT_LE(bytes, 2 * kMostBytesPerMapping);
}

INSTANTIATE_TEST_SUITE_P(Orders, RegionTableScaleTest, testing::Bool(),
                         [](const auto& param_info) { return param_info.param ? "InOrder" : "Shuffled"; });

}  // namespace
}  // namespace shmemd::state
