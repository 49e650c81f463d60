#include "client/print/resource_name.h"

#include <gtest/gtest.h>

namespace shmemd::client {
namespace {

TEST(ResourceName, WhatUsersType) {
  EXPECT_EQ(*ParseTarget(""), Target{});
  EXPECT_EQ(*ParseTarget("-"), Target{});
  EXPECT_EQ(*ParseTarget("gpu0"), (Target{"gpu0", {}}));
  EXPECT_EQ(*ParseTarget("gpu0/255"), (Target{"gpu0", 255}));
  EXPECT_EQ(*ParseTarget("backends/gpu0/regions/2"), (Target{"gpu0", 2}));
  EXPECT_EQ(*ParseTarget("backends/gpu0"), (Target{"gpu0", {}}));
}

TEST(ResourceName, WhatCannotBe) {
  for (const char* text :
       {"GPU0", "gpu0/", "gpu0/256", "gpu0/-1", "gpu0/x", "/2", "gpu0/2/0x0", "-gpu", "a b", "gpu0/2/3/4"}) {
    EXPECT_EQ(ParseTarget(text).status().code(), absl::StatusCode::kInvalidArgument) << text;
  }
  EXPECT_FALSE(ParseTarget(std::string(64, 'a')).ok());
  EXPECT_TRUE(ParseTarget(std::string(63, 'a')).ok());
}

TEST(ResourceName, ToAndFromTheApi) {
  EXPECT_EQ(BackendName(Target{}), "backends/-");
  EXPECT_EQ(RegionName(Target{"gpu0", 2}), "backends/gpu0/regions/2");
  EXPECT_EQ(RegionName(Target{"gpu0", {}}), "backends/gpu0");
  EXPECT_EQ(ShortName("backends/gpu0/regions/2/mappings/0x1000"), "gpu0/2/0x1000");
  EXPECT_EQ(BackendId("backends/gpu0/regions/2"), "gpu0");
  EXPECT_EQ(ShortName("something"), "something");
}

}  // namespace
}  // namespace shmemd::client
