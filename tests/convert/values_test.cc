#include "server/convert/values.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <limits>

#include "server/convert/resource_names.h"

namespace shmemd::convert {
namespace {

TEST(ValuesTest, WhatDoesNotFitIntoInt64IsTheLargestInt64) {
  EXPECT_EQ(Saturated(0), 0);
  EXPECT_EQ(Saturated((uint64_t{1} << 63) - 1), std::numeric_limits<int64_t>::max());
  EXPECT_EQ(Saturated(uint64_t{1} << 63), std::numeric_limits<int64_t>::max());
  EXPECT_EQ(Saturated(~uint64_t{0}), std::numeric_limits<int64_t>::max());
}

TEST(ValuesTest, TimesKeepTheirNanoseconds) {
  EXPECT_EQ(ToTimestamp(1'500'000'000'000'000'007).seconds(), 1'500'000'000);
  EXPECT_EQ(ToTimestamp(1'500'000'000'000'000'007).nanos(), 7);
  EXPECT_EQ(ToDuration(2'000'000'003).seconds(), 2);
  EXPECT_EQ(ToDuration(2'000'000'003).nanos(), 3);
}

TEST(ValuesTest, ATimeBefore1970CountsItsNanosecondsForward) {
  EXPECT_EQ(ToTimestamp(-1).seconds(), -1);
  EXPECT_EQ(ToTimestamp(-1).nanos(), 999'999'999);
}

TEST(ResourceNamesTest, NamesAreInTheFormOfTheApi) {
  EXPECT_EQ(BackendName("gpu0"), "backends/gpu0");
  EXPECT_EQ(RegionName("gpu0", 255), "backends/gpu0/regions/255");
  EXPECT_EQ(MappingName("gpu0", 2, 0x10000), "backends/gpu0/regions/2/mappings/0x10000");
  EXPECT_EQ(MappingName("gpu0", 2, 0), "backends/gpu0/regions/2/mappings/0x0");
  EXPECT_EQ(MappingName("gpu0", 2, ~uint64_t{0}), "backends/gpu0/regions/2/mappings/0xffffffffffffffff");
}

}  // namespace
}  // namespace shmemd::convert
