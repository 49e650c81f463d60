// RegionTable against the array of bytes that it stands for.
#include <gtest/gtest.h>

#include <random>
#include <vector>

#include "tests/state/table_script.h"

namespace shmemd::state {
namespace {

std::vector<uint8_t> RandomBytes(uint32_t seed, size_t count) {
  std::mt19937 random(seed);
  std::vector<uint8_t> bytes(count);
  for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(random());
  return bytes;
}

class RegionTableModelTest : public testing::TestWithParam<uint64_t> {};

TEST_P(RegionTableModelTest, AgreesWithBytesAfterAHundredThousandSteps) {
  const std::vector<uint8_t> bytes = RandomBytes(GetParam() == 0 ? 1 : 2, 700'000);
  TableScript script(bytes, GetParam(), 7);
  EXPECT_EQ(script.Run(), "");
  EXPECT_GE(script.steps(), 100'000U);
  EXPECT_GT(script.most_mappings(), 4 * MappingLeaf::kMaxMappings)
      << "the tree stayed too small to be tested";
}

TEST_P(RegionTableModelTest, AgreesAfterEveryStepOfManyShortScripts) {
  for (uint32_t seed = 10; seed < 210; ++seed) {
    const std::vector<uint8_t> bytes = RandomBytes(seed, 200);
    TableScript script(bytes, GetParam(), 1);
    ASSERT_EQ(script.Run(), "") << "seed " << seed;
  }
}

INSTANTIATE_TEST_SUITE_P(Bases, RegionTableModelTest,
                         testing::Values(0, uint64_t{1} << 40, ByteModel::kTopBase));

}  // namespace
}  // namespace shmemd::state
