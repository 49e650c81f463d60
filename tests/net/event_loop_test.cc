#include "server/net/event_loop.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <memory>
#include <thread>
#include <vector>

#include "server/base/clock.h"
#include "server/net/message_io.h"
#include "server/net/unix_socket.h"

namespace shmemd::net {
namespace {

using testing::ElementsAre;

constexpr int64_t kLong = 10'000'000'000;

TEST(EventLoop, TellsWhatIsReadyOncePerArrival) {
  const std::unique_ptr<EventLoop> loop = EventLoop::Create().value();
  const auto pair = ChannelPair().value();
  int calls = 0;
  const EventLoop::WatchId watch = loop->Watch(pair.first.get(), [&] { ++calls; }).value();
  EXPECT_EQ(loop->Turn(0), 1u) << "writable from the start";
  const std::vector<uint8_t> byte{1};
  ASSERT_EQ(Send(pair.second.get(), byte).status, IoStatus::kDone);
  EXPECT_EQ(loop->Turn(kLong), 1u);
  EXPECT_EQ(loop->Turn(0), 0u) << "edge-triggered: unread bytes do not spin";
  ASSERT_EQ(Send(pair.second.get(), byte).status, IoStatus::kDone);
  EXPECT_EQ(loop->Turn(kLong), 1u);
  EXPECT_EQ(calls, 3);
  loop->Unwatch(watch);
  ASSERT_EQ(Send(pair.second.get(), byte).status, IoStatus::kDone);
  EXPECT_EQ(loop->Turn(0), 0u);
}

TEST(EventLoop, AWatchMayRemoveItselfAndOthers) {
  const std::unique_ptr<EventLoop> loop = EventLoop::Create().value();
  const auto first = ChannelPair().value();
  const auto second = ChannelPair().value();
  int calls = 0;
  EventLoop::WatchId ids[2] = {};
  const auto once = [&] {
    ++calls;
    loop->Unwatch(ids[0]);
    loop->Unwatch(ids[1]);
  };
  ids[0] = loop->Watch(first.first.get(), once).value();
  ids[1] = loop->Watch(second.first.get(), once).value();
  loop->Turn(0);
  EXPECT_EQ(calls, 1);
}

TEST(EventLoop, TimersRunInOrderOfTheirDeadlines) {
  const std::unique_ptr<EventLoop> loop = EventLoop::Create().value();
  std::vector<int> order;
  loop->After(2'000'000, [&] { order.push_back(2); });
  loop->After(1'000'000, [&] { order.push_back(1); });
  const EventLoop::TimerId cancelled = loop->After(1'500'000, [&] { order.push_back(9); });
  loop->After(3'000'000, [&] { order.push_back(3); });
  loop->Cancel(cancelled);
  const int64_t start_ns = base::MonotonicNanos();
  while (order.size() < 3) loop->Turn(kLong);
  EXPECT_THAT(order, ElementsAre(1, 2, 3));
  EXPECT_GE(base::MonotonicNanos() - start_ns, 2'000'000);
}

TEST(EventLoop, WhatIsDeferredWaitsForTheNextTurn) {
  const std::unique_ptr<EventLoop> loop = EventLoop::Create().value();
  int calls = 0;
  std::function<void()> again = [&] {
    ++calls;
    loop->After(0, again);
  };
  loop->After(0, again);
  EXPECT_EQ(loop->Turn(kLong), 1u);
  EXPECT_EQ(loop->Turn(kLong), 1u);
  EXPECT_EQ(calls, 2);
}

TEST(EventLoop, ATimerMayCancelOneThatIsDueToo) {
  const std::unique_ptr<EventLoop> loop = EventLoop::Create().value();
  bool second_ran = false;
  EventLoop::TimerId second;
  loop->After(0, [&] { loop->Cancel(second); });
  second = loop->After(0, [&] { second_ran = true; });
  EXPECT_EQ(loop->Turn(kLong), 1u);
  loop->Turn(0);
  EXPECT_FALSE(second_ran);
}

TEST(EventLoop, PostsOfOtherThreadsRunHereInOrder) {
  const std::unique_ptr<EventLoop> loop = EventLoop::Create().value();
  std::vector<int> order;
  std::thread other([&] {
    for (int i = 0; i < 100; ++i) loop->Post([&order, i] { order.push_back(i); });
  });
  while (order.size() < 100) loop->Turn(kLong);
  other.join();
  EXPECT_TRUE(std::is_sorted(order.begin(), order.end()));
}

TEST(EventLoop, WakeEndsAWaitAndTurnsAreDated) {
  const std::unique_ptr<EventLoop> loop = EventLoop::Create().value();
  const int64_t before = loop->last_turn_ns();
  std::atomic<bool> woken{false};
  std::thread waiter([&] {
    loop->Turn(kLong);
    woken = true;
  });
  loop->Wake();
  waiter.join();
  EXPECT_TRUE(woken);
  EXPECT_GE(loop->last_turn_ns(), before);
}

}  // namespace
}  // namespace shmemd::net
