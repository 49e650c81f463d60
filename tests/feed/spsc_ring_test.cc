#include "server/feed/spsc_ring.h"

#include <gtest/gtest.h>

#include <memory>
#include <thread>

namespace shmemd::feed {
namespace {

TEST(SpscRing, TakesAsManyAsItsCapacityAndLeavesTheRefusedValueAlone) {
  SpscRing<std::unique_ptr<int>> ring(2);
  EXPECT_TRUE(ring.TryPush(std::make_unique<int>(1)));
  EXPECT_EQ(ring.room(), 1U);
  EXPECT_TRUE(ring.TryPush(std::make_unique<int>(2)));
  auto third = std::make_unique<int>(3);
  EXPECT_FALSE(ring.TryPush(std::move(third)));
  ASSERT_NE(third, nullptr);
  EXPECT_EQ(*third, 3);
  EXPECT_EQ(**ring.TryPop(), 1);
  EXPECT_TRUE(ring.TryPush(std::move(third)));
  EXPECT_EQ(**ring.TryPop(), 2);
  EXPECT_EQ(**ring.TryPop(), 3);
  EXPECT_EQ(ring.TryPop(), std::nullopt);
  EXPECT_TRUE(ring.empty());
}

TEST(SpscRing, HandsEveryValueOverInOrderBetweenTwoThreads) {
  constexpr int kCount = 200'000;
  SpscRing<int> ring(7);
  std::thread pusher([&] {
    for (int i = 0; i < kCount;) {
      if (ring.TryPush(int{i})) {
        ++i;
      } else {
        std::this_thread::yield();
      }
    }
  });
  int expected = 0;
  while (expected < kCount) {
    if (const std::optional<int> value = ring.TryPop()) {
      ASSERT_EQ(*value, expected);
      ++expected;
    } else {
      std::this_thread::yield();
    }
  }
  pusher.join();
}

}  // namespace
}  // namespace shmemd::feed
