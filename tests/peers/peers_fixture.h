// Every test of the peers ends with as many descriptors as it began with.
#pragma once

#include <gtest/gtest.h>

#include "tests/peers/raw_frontend.h"

namespace shmemd::peers {

class PeersTest : public testing::Test {
 protected:
  void TearDown() override { EXPECT_EQ(OpenFdCount(), fd_count_); }

 private:
  const size_t fd_count_ = OpenFdCount();
};

}  // namespace shmemd::peers
