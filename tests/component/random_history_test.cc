// After any sequence of operations the list of mappings, the scrape, and a model of a few lines agree.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <random>

#include "tests/component/readers.h"

namespace shmemd::component {
namespace {

using feed::kPage;

// A region as an array of pages, each with the piece of a mapping that covers it.
class PageModel {
 public:
  static constexpr uint64_t kPages = 1024;

  enum class Kind : uint8_t { kLive, kStale };

  void Map(uint64_t begin, uint64_t count) {
    Cut(begin);
    Cut(begin + count);
    Fill(begin, begin + count, ++last_piece_);
  }
  // Whoever starts there goes as a whole; else only what is covered.
  void Unmap(uint64_t begin, uint64_t count) {
    if (StartsAt(begin)) {
      Fill(begin, EndOf(begin), 0);
    } else {
      Cut(begin + count);
      Fill(begin, begin + count, 0);
    }
  }
  void MarkStale() {
    for (Page& page : pages_) page.kind = Kind::kStale;
  }
  void Clear() { pages_.fill({}); }

  uint64_t Bytes(Kind kind) const {
    return kPage *
           static_cast<uint64_t>(std::count_if(pages_.begin(), pages_.end(), [kind](const Page& page) {
             return page.piece != 0 && page.kind == kind;
           }));
  }
  bool StartsAt(uint64_t i) const {
    return i < kPages && pages_[i].piece != 0 && (i == 0 || pages_[i - 1].piece != pages_[i].piece);
  }
  uint64_t EndOf(uint64_t i) const {
    uint64_t end = i;
    while (end < kPages && pages_[end].piece == pages_[i].piece) ++end;
    return end;
  }

 private:
  struct Page {
    int piece = 0;  // 0: nothing
    Kind kind = Kind::kLive;
  };

  // What goes on beyond `at` is a piece of its own from there.
  void Cut(uint64_t at) {
    if (at >= kPages || pages_[at].piece == 0 || StartsAt(at)) return;
    ++last_piece_;
    for (uint64_t i = at, end = EndOf(at); i < end; ++i) pages_[i].piece = last_piece_;
  }
  void Fill(uint64_t begin, uint64_t end, int piece) {
    std::fill(pages_.begin() + static_cast<int64_t>(begin), pages_.begin() + static_cast<int64_t>(end),
              Page{piece, Kind::kLive});
  }

  std::array<Page, kPages> pages_{};
  int last_piece_ = 0;
};

// Does to two back-ends and to their models what dice say.
class RandomHistory {
 public:
  RandomHistory(feed::Publisher& publisher, uint32_t seed) : publisher_(publisher), random_(seed) {
    for (const state::Mode mode : {state::Mode::kFrontend, state::Mode::kRelay}) {
      state::BackendSpec spec = feed::Spec(mode == state::Mode::kRelay ? "vm0" : "gpu0");
      spec.mode = mode;
      backends_.push_back({spec.id, mode, {}, {}});
      backends_.back().handle = publisher_.Attach(std::move(spec));
      Connect(backends_.back());
    }
  }

  void Step() {
    Known& backend = backends_[Below(backends_.size())];
    const uint64_t dice = Below(1000);
    if (dice < 480) {
      Map(backend);
    } else if (dice < 900) {
      Unmap(backend);
    } else if (dice < 990) {
      Refuse(backend);
    } else {
      Upset(backend);
    }
  }

  BytesOfRegions Bytes(PageModel::Kind kind) const {
    BytesOfRegions bytes;
    for (const Known& backend : backends_) {
      for (size_t i = 0; i < kShmids.size(); ++i) {
        if (const uint64_t n = backend.models[i].Bytes(kind); n > 0) bytes[{backend.id, kShmids[i]}] = n;
      }
    }
    return bytes;
  }
  uint64_t Below(uint64_t limit) { return random_() % limit; }

 private:
  static constexpr std::array<uint8_t, 3> kShmids = {0, 2, 255};
  // Within the first, across the end of the second; the third is never reported.
  static constexpr std::array<uint64_t, 2> kSizes = {PageModel::kPages, PageModel::kPages / 2};

  struct Known {
    std::string id;
    state::Mode mode;
    state::BackendHandle handle;
    std::array<PageModel, 3> models;
  };
  struct Range {
    size_t region;
    uint64_t begin;
    uint64_t count;
  };

  Range Any() {
    const uint64_t begin = Below(PageModel::kPages);
    const uint64_t longest = Below(20) == 0 ? 200 : 6;  // now and then one over many others
    return {Below(kShmids.size()), begin, 1 + Below(std::min(longest, PageModel::kPages - begin))};
  }

  void Map(Known& backend) {
    const Range range = Any();
    state::MapSettled settled = feed::Mapped(kShmids[range.region], range.begin * kPage, range.count * kPage);
    settled.request.flags = Below(2);
    if (Below(4) == 0) {
      settled.request.need_reply = false;
      settled.ack_latency_ns = -1;
    }
    publisher_.Publish(backend.handle, state::MapRequested{settled.request});
    publisher_.Publish(backend.handle, settled);
    backend.models[range.region].Map(range.begin, range.count);
  }

  void Unmap(Known& backend) {
    Range range = Any();
    PageModel& model = backend.models[range.region];
    if (Below(4) != 0) {  // mostly exactly one, the next that starts there or after
      while (range.begin < PageModel::kPages - 1 && !model.StartsAt(range.begin)) ++range.begin;
      range.count = model.StartsAt(range.begin) ? model.EndOf(range.begin) - range.begin : 1;
    }
    const state::UnmapSettled settled =
        feed::Unmapped(kShmids[range.region], range.begin * kPage, range.count * kPage);
    publisher_.Publish(backend.handle, state::UnmapRequested{settled.request});
    publisher_.Publish(backend.handle, settled);
    model.Unmap(range.begin, range.count);
  }

  // What is refused changes nothing, however often it is said.
  void Refuse(Known& backend) {
    const Range range = Any();
    if (Below(2) == 0) {
      state::MapSettled settled =
          feed::Mapped(kShmids[range.region], range.begin * kPage, range.count * kPage);
      settled.error_number = EEXIST;
      settled.failure = state::RequestFailure::kOverlap;
      publisher_.Publish(backend.handle, settled);
    } else {
      state::UnmapSettled settled =
          feed::Unmapped(kShmids[range.region], range.begin * kPage, range.count * kPage);
      settled.error_number = EINVAL;
      publisher_.Publish(backend.handle, settled);
    }
  }

  void Upset(Known& backend) {
    switch (Below(7)) {
      case 0:
        publisher_.Publish(backend.handle, state::Disconnected{state::BackendState::kDisconnected, {}});
        for (PageModel& model : backend.models) {
          backend.mode == state::Mode::kRelay ? model.MarkStale() : model.Clear();
        }
        return;
      case 1:
        return Connect(backend);
      case 2:
        publisher_.Publish(backend.handle, state::MappingsStaled{});
        for (PageModel& model : backend.models) model.MarkStale();
        return;
      case 4:
        publisher_.Publish(backend.handle, state::DeviceReset{.suspected = true});
        return;
      case 5:
        publisher_.Publish(backend.handle, state::DeviceReset{.suspected = false});
        for (PageModel& model : backend.models) model.Clear();
        return;
      case 3:
        publisher_.Publish(backend.handle, state::MappingsCleared{});
        for (PageModel& model : backend.models) model.Clear();
        return;
      default:
        publisher_.Publish(backend.handle, state::RegionRetired{kShmids[Below(kSizes.size())]});
        return;
    }
  }

  void Connect(Known& backend) {
    publisher_.Publish(backend.handle, state::Connected{});
    for (PageModel& model : backend.models) model.Clear();
    for (size_t i = 0; i < kSizes.size(); ++i) {
      publisher_.Publish(backend.handle,
                         state::RegionReported{kSizes[i] * kPage, kShmids[i], state::Exposed::kYes});
    }
    publisher_.Publish(backend.handle, state::StateChanged{state::BackendState::kActive, {}});
  }

  feed::Publisher& publisher_;
  std::mt19937 random_;
  std::vector<Known> backends_;
};

TEST(RandomHistory, ListScrapeAndModelAgree) {
  constexpr int kSteps = 100'000;
  constexpr int kBetween = 250;
  constexpr uint32_t kSeed = 20'240'229;
  Readers readers(256);
  RandomHistory history(readers.publisher(), kSeed);
  uint64_t most_bytes = 0;
  uint64_t most_stale_bytes = 0;
  for (int done = 0; done < kSteps; done += kBetween) {
    // Every fourth time the hub is held up meanwhile, so that its queue overflows and it has to be caught up.
    const auto run = [&] {
      for (int i = 0; i < kBetween; ++i) history.Step();
    };
    if (done / kBetween % 4 == 0) {
      readers.hub().Read([&](const feed::ReplicaView&) { run(); });
    } else {
      run();
    }
    ASSERT_TRUE(readers.CatchUp()) << "after " << done;
    const BytesOfRegions live = history.Bytes(PageModel::Kind::kLive);
    const BytesOfRegions stale = history.Bytes(PageModel::Kind::kStale);
    const int page_size = 1 + static_cast<int>(history.Below(done % 1000 == 0 ? 10 : 1000));
    ASSERT_EQ(readers.ListedBytes({v1::Mapping::MAPPED, v1::Mapping::ASSUMED}, page_size), live) << done;
    ASSERT_EQ(readers.ScrapedBytes("vhost_shmem_mapped_bytes"), live) << done;
    ASSERT_EQ(readers.ListedBytes({v1::Mapping::STALE}, page_size), stale) << done;
    ASSERT_EQ(readers.ScrapedBytes("vhost_shmem_stale_bytes"), stale) << done;
    for (const auto& [region, bytes] : live) most_bytes = std::max(most_bytes, bytes);
    for (const auto& [region, bytes] : stale) most_stale_bytes = std::max(most_stale_bytes, bytes);
  }
  EXPECT_GT(most_bytes, 200 * kPage) << "hardly anything was ever mapped";
  EXPECT_GT(most_stale_bytes, 20 * kPage);
  EXPECT_GT(readers.hub().dropped_count(), 1000u) << "the hub was never held up";
}

}  // namespace
}  // namespace shmemd::component
