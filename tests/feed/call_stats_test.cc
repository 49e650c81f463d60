#include "server/feed/call_stats.h"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

namespace shmemd::feed {
namespace {

TEST(CallStats, CountsByMethodAndCode) {
  CallStats stats({{"a.B", "Get", CallKind::kUnary}, {"a.B", "Watch", CallKind::kServerStream}});
  EXPECT_EQ(stats.Find("/a.B/Get"), 0u);
  EXPECT_EQ(stats.Find("/a.B/Watch"), 1u);
  for (const char* unknown : {"", "/", "/a.B/", "a.B/Get", "/a.B/Get/", "/a.B/get"}) {
    EXPECT_FALSE(stats.Find(unknown).has_value()) << unknown;
  }
  stats.Count(0, 0, 1000);
  stats.Count(0, 5, 3000);
  stats.Count(0, 99, 1);
  stats.Count(0, -1, 1);
  const CallCounts counts = stats.Read(0);
  EXPECT_EQ(counts.handled[0], 1u);
  EXPECT_EQ(counts.handled[5], 1u);
  EXPECT_EQ(counts.handled[2], 2u) << "what is no code is UNKNOWN";
  EXPECT_EQ(counts.durations.sum_ns, 4002);
  EXPECT_EQ(stats.Read(1).handled, CallCounts().handled);
}

TEST(CallStats, ThreadsLoseNothing) {
  constexpr int kThreads = 4;
  constexpr int kCalls = 10'000;
  CallStats stats({{"a.B", "Get", CallKind::kUnary}});
  std::vector<std::thread> threads;
  threads.reserve(kThreads);
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&] {
      for (int call = 0; call < kCalls; ++call) stats.Count(0, call % 2, 1);
    });
  }
  for (std::thread& thread : threads) thread.join();
  const CallCounts counts = stats.Read(0);
  EXPECT_EQ(counts.handled[0], uint64_t{kThreads} * kCalls / 2);
  EXPECT_EQ(counts.handled[1], uint64_t{kThreads} * kCalls / 2);
  EXPECT_EQ(counts.durations.sum_ns, int64_t{kThreads} * kCalls);
}

}  // namespace
}  // namespace shmemd::feed
