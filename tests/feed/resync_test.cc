// A hub that lost updates is caught up in slices, while the mover goes on.
#include <algorithm>
#include <random>
#include <thread>

#include "tests/feed/feed_fixture.h"

namespace shmemd::feed {
namespace {

TEST(Resync, AFullQueueNeverStopsTheMoverAndIsCaughtUpInSlices) {
  UpdateQueue queue(16);
  Control control;
  Publisher publisher(queue, 0, kPage);
  const state::BackendHandle handle = publisher.Attach(Spec("gpu0"));
  publisher.Publish(handle, state::RegionReported{.size_bytes = uint64_t{1} << 40, .shmid = 0});
  constexpr uint64_t kMappings = 10'000;
  for (uint64_t i = 0; i < kMappings; ++i) publisher.Publish(handle, Mapped(0, i * kPage, kPage));
  EXPECT_TRUE(queue.lost());
  EXPECT_GT(queue.dropped_count(), 0U);

  Hub hub(kPage);
  hub.AddSource(queue, control);
  hub.Start();
  ASSERT_TRUE(CatchUp(publisher, queue, hub));
  EXPECT_EQ(PicturesOf(hub), std::vector{PictureOf(*publisher.Find(handle))});
}

TEST(Resync, ASliceHoldsAtMost256Mappings) {
  UpdateQueue queue(8);
  Publisher publisher(queue, 0, kPage);
  const state::BackendHandle handle = publisher.Attach(Spec("gpu0"));
  for (uint64_t i = 0; i < 1000; ++i) publisher.Publish(handle, Mapped(0, i * kPage, kPage));
  ASSERT_TRUE(queue.lost());
  size_t sum = 0;
  while (publisher.resync_pending()) {
    while (std::optional<Update> update = queue.TryPop()) {
      if (const auto* slice = std::get_if<std::unique_ptr<MappingSlice>>(&*update)) {
        EXPECT_LE((*slice)->mappings.size(), Publisher::kSliceEntries);
        sum += (*slice)->mappings.size();
      }
    }
    publisher.ResyncStep();
  }
  EXPECT_EQ(sum, 1000U);
}

// Readers must never see a table that is being filled: what they see during a resync is the table of before.
TEST(Resync, ReadersSeeTheOldTableUntilTheNewOneIsWhole) {
  UpdateQueue queue(8);
  Publisher publisher(queue, 0, kPage);
  SourceReplica replica(kPage);
  state::EventLog log(16);
  const auto apply = [&](Update&& update) { replica.Apply(std::move(update), 1, log); };
  const state::BackendHandle handle = publisher.Attach(Spec("gpu0"));
  publisher.Publish(handle, Mapped(0, 0, kPage));
  while (std::optional<Update> update = queue.TryPop()) apply(std::move(*update));
  for (uint64_t i = 1; i < 600; ++i) publisher.Publish(handle, Mapped(0, i * kPage, kPage));
  while (std::optional<Update> update = queue.TryPop()) apply(std::move(*update));
  const Picture before = PictureOf(*replica.tables().begin()->second);
  while (publisher.resync_pending()) {
    publisher.ResyncStep();
    std::optional<Update> update = queue.TryPop();
    if (!update) continue;
    const bool end = std::holds_alternative<SnapshotEnd>(*update);
    apply(std::move(*update));
    if (!end) {
      EXPECT_EQ(PictureOf(*replica.tables().begin()->second), before);
    }
  }
  EXPECT_EQ(PictureOf(*replica.tables().begin()->second), PictureOf(*publisher.Find(handle)));
  EXPECT_EQ(log.at(log.size() - 1).kind, state::LogKind::kLost) << "what was missed is said";
}

// The mover changes whatever it likes at any point of a resync; in the end both sides must agree on
// everything.
class RandomMover {
 public:
  RandomMover(Publisher& publisher, unsigned seed) : publisher_(publisher), random_(seed) {}

  void Step() {
    const int what = Pick(100);
    if (handles_.empty() || (what == 0 && handles_.size() < 6)) {
      handles_.push_back(publisher_.Attach(Spec("b" + std::to_string(next_++))));
      return;
    }
    const state::BackendHandle handle =
        handles_[static_cast<size_t>(Pick(static_cast<int>(handles_.size())))];
    const auto shmid = static_cast<uint8_t>(Pick(3));
    const uint64_t offset = static_cast<uint64_t>(Pick(2000)) * kPage;
    const uint64_t len = static_cast<uint64_t>(1 + Pick(3)) * kPage;
    if (what == 1) {
      publisher_.Detach(handle);
      std::erase(handles_, handle);
    } else if (what == 2) {
      publisher_.Publish(handle, state::Connected{});
    } else if (what == 3) {
      publisher_.Publish(handle, state::RegionReported{.size_bytes = uint64_t{1} << 23, .shmid = shmid});
    } else if (what == 4) {
      publisher_.Publish(handle, state::MappingsStaled{});
    } else if (what == 5) {
      publisher_.Publish(handle,
                         state::FindingRaised{.code = state::FindingCode::kPaddingNonzero, .shmid = shmid});
    } else if (what < 70) {
      publisher_.Publish(handle, Mapped(shmid, offset, len));
    } else {
      publisher_.Publish(handle, Unmapped(shmid, offset, len));
    }
  }

  std::vector<Picture> Pictures() const {
    std::vector<Picture> pictures;
    for (const state::BackendHandle handle : handles_)
      pictures.push_back(PictureOf(*publisher_.Find(handle)));
    std::sort(pictures.begin(), pictures.end(),
              [](const Picture& a, const Picture& b) { return a.id < b.id; });
    return pictures;
  }

 private:
  int Pick(int below) { return static_cast<int>(random_() % static_cast<unsigned>(below)); }

  Publisher& publisher_;
  std::mt19937 random_;
  std::vector<state::BackendHandle> handles_;
  int next_ = 0;
};

TEST(Resync, BothSidesAgreeInTheEndWhateverHappensMeanwhile) {
  uint64_t dropped = 0;
  for (unsigned seed = 1; seed <= 20; ++seed) {
    UpdateQueue queue(32);
    Control control;
    Publisher publisher(queue, 3, kPage);
    Hub hub(kPage);
    hub.AddSource(queue, control);
    hub.Start();
    RandomMover mover(publisher, seed);
    for (int step = 0; step < 4000; ++step) {
      mover.Step();
      if (step % 16 == 0 && publisher.resync_pending()) publisher.ResyncStep();
    }
    ASSERT_TRUE(CatchUp(publisher, queue, hub)) << "seed " << seed;
    EXPECT_EQ(Difference(PicturesOf(hub), mover.Pictures()), "") << "seed " << seed;
    dropped += hub.dropped_count();
  }
  EXPECT_GT(dropped, 0U) << "the queue never overflowed, so nothing was tested";
}

}  // namespace
}  // namespace shmemd::feed
