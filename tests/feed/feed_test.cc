#include <atomic>
#include <thread>

#include "tests/feed/feed_fixture.h"

namespace shmemd::feed {
namespace {

using testing::IsEmpty;

class FeedTest : public testing::Test {
 protected:
  FeedTest() {
    hub_.AddSource(queue_, control_);
    hub_.Start();
  }

  UpdateQueue queue_{1024};
  Control control_;
  Publisher publisher_{queue_, 0, kPage};
  Hub hub_{kPage};
};

TEST_F(FeedTest, WhatAMoverPublishesIsWhatReadersSee) {
  const state::BackendHandle handle = publisher_.Attach(Spec("gpu0"));
  publisher_.Publish(handle, state::Connected{});
  publisher_.Publish(handle, state::RegionReported{.size_bytes = 1 << 20, .shmid = 2});
  publisher_.Publish(handle, Mapped(2, 0x10000, 0x8000));
  ASSERT_TRUE(CatchUp(publisher_, queue_, hub_));

  hub_.Read([](const ReplicaView& view) {
    EXPECT_EQ(view.revision, 4U);
    EXPECT_TRUE(view.synced);
    const state::Backend* backend = view.Find("gpu0");
    ASSERT_NE(backend, nullptr);
    EXPECT_EQ(backend->FindRegion(2)->table.totals().mapped_bytes, 0x8000U);
    EXPECT_EQ(view.Find("gpu1"), nullptr);
  });
  EXPECT_EQ(PicturesOf(hub_), std::vector{PictureOf(*publisher_.Find(handle))});
}

TEST_F(FeedTest, ADetachedBackendIsGoneAndItsSuccessorHasAnotherUid) {
  const state::BackendHandle first = publisher_.Attach(Spec("gpu0"));
  const std::string first_uid = publisher_.Find(first)->uid();
  publisher_.Detach(first);
  publisher_.Publish(first, state::Connected{});
  ASSERT_TRUE(CatchUp(publisher_, queue_, hub_));
  EXPECT_THAT(PicturesOf(hub_), IsEmpty());

  publisher_.Attach(Spec("gpu0"));
  ASSERT_TRUE(CatchUp(publisher_, queue_, hub_));
  ASSERT_EQ(PicturesOf(hub_).size(), 1U);
  EXPECT_NE(PicturesOf(hub_)[0].uid, first_uid);
}

TEST_F(FeedTest, BackendsAreListedInTheOrderOfTheirIds) {
  for (const char* id : {"c", "a", "b"}) publisher_.Attach(Spec(id));
  ASSERT_TRUE(CatchUp(publisher_, queue_, hub_));
  std::string order;
  for (const Picture& picture : PicturesOf(hub_)) order += picture.id;
  EXPECT_EQ(order, "abc");
}

TEST_F(FeedTest, TheHubTurnsAtLeastOnceASecondWhenNothingHappens) {
  const int64_t before = hub_.last_turn_ns();
  const int64_t deadline = InSeconds(5);
  while (hub_.last_turn_ns() == before && base::MonotonicNanos() < deadline) std::this_thread::yield();
  EXPECT_LT(base::MonotonicNanos(), deadline);
}

TEST_F(FeedTest, WhatHappenedIsKeptInTheOrderInWhichReadersSawIt) {
  const state::BackendHandle handle = publisher_.Attach(Spec("gpu0"));
  publisher_.Publish(handle, Mapped(2, 0x10000, 0x8000));
  publisher_.Publish(handle, state::TrafficCounted{});
  publisher_.Detach(handle);
  ASSERT_TRUE(CatchUp(publisher_, queue_, hub_));
  hub_.Read([](const ReplicaView& view) {
    EXPECT_EQ(view.revision, 4U);
    ASSERT_EQ(view.events.size(), 3U);
    EXPECT_EQ(view.events.at(0).kind, state::LogKind::kAttached);
    EXPECT_EQ(view.events.at(1).changes.put.size(), 1U);
    EXPECT_EQ(view.events.at(2).kind, state::LogKind::kDetached);
    EXPECT_EQ(view.events.at(2).backend_id, "gpu0");
    EXPECT_EQ(view.events.at(2).revision, 4U);
    EXPECT_EQ(view.events.complete_since(), 0U);
  });
}

TEST_F(FeedTest, AListenerHearsOfChangesUntilItIsTakenAway) {
  std::atomic<int> calls = 0;
  hub_.SetListener([&calls] { ++calls; });
  publisher_.Attach(Spec("gpu0"));
  ASSERT_TRUE(CatchUp(publisher_, queue_, hub_));
  const int64_t deadline = InSeconds(30);
  while (calls == 0 && base::MonotonicNanos() < deadline) std::this_thread::yield();
  EXPECT_GT(calls, 0);
  hub_.SetListener(nullptr);
  const int before = calls;
  publisher_.Attach(Spec("gpu1"));
  ASSERT_TRUE(CatchUp(publisher_, queue_, hub_));
  EXPECT_EQ(calls, before);
}

}  // namespace
}  // namespace shmemd::feed
