// A VMM that keeps a list of what it has mapped, as QEMU does, talks with a back-end at random; what the
// tracker shows is what the VMM has.
#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <random>
#include <tuple>

#include "tests/session/tracker_fixture.h"

namespace shmemd::session {
namespace {

using Range = std::tuple<uint8_t, uint64_t, uint64_t>;  // shmid, shm_offset, len

class ModelVmm {
 public:
  // 0, or 1 as QEMU refuses: a map over a map, an unmap that is not exactly one.
  uint64_t Answer(bool unmap, const Range& range) {
    if (unmap) {
      const auto found = std::find(mapped.begin(), mapped.end(), range);
      if (found == mapped.end()) return 1;
      mapped.erase(found);
      return 0;
    }
    const auto& [shmid, offset, len] = range;
    for (const auto& [other_shmid, other_offset, other_len] : mapped) {
      if (shmid == other_shmid && offset < other_offset + other_len && other_offset < offset + len) return 1;
    }
    mapped.push_back(range);
    return 0;
  }

  std::vector<Range> mapped;
};

class RandomTalk {
 public:
  explicit RandomTalk(uint32_t seed) : random_(seed) {
    talk.Negotiate();
    talk.AskConfig({0x100000, 0x100000, 0, 0x100000});
    talk.Start();
  }

  void Step() {
    const int choice = Below(10);
    if (choice < 4 && pending_.size() < 64) {
      SendRequest();
    } else if (choice < 8) {
      AnswerOldest();
    } else if (choice == 8) {
      talk.Ask(FrontendRequest::kGetFeatures);
      talk.ReplyU64(FrontendRequest::kGetFeatures, kVirtioFeatures);
    } else if (Below(20) == 0) {
      StopAndContinue();
    }
  }
  void AnswerAll() {
    while (!pending_.empty()) AnswerOldest();
  }
  std::vector<Range> Shown() const {
    std::vector<Range> shown;
    for (const uint8_t shmid : {uint8_t{0}, uint8_t{1}, uint8_t{3}}) {
      for (const state::Mapping& mapping : talk.Mappings(shmid))
        shown.emplace_back(shmid, mapping.shm_offset, mapping.len);
    }
    return shown;
  }
  std::vector<Range> Expected() const {
    std::vector<Range> mapped = vmm_.mapped;
    std::sort(mapped.begin(), mapped.end());
    return mapped;
  }

  Conversation talk;

 private:
  struct Sent {
    bool unmap = false;
    bool other = false;
    Range range;
  };
  int Below(int limit) { return static_cast<int>(random_() % static_cast<uint32_t>(limit)); }

  void SendRequest() {
    Sent sent;
    if (Below(8) == 0) {
      sent.other = true;
      talk.BackendAsks(Id(BackendRequest::kConfigChangeMsg), {}, 0x9);
      pending_.push_back(sent);
      return;
    }
    constexpr uint8_t kShmids[] = {0, 1, 3};
    MapText map;
    map.shmid = kShmids[Below(3)];
    map.shm_offset = static_cast<uint64_t>(Below(16)) * 0x1000;
    map.len = (1 + static_cast<uint64_t>(Below(3))) * 0x1000;
    map.fd = FileOf(100 + static_cast<uint64_t>(Below(5)));
    map.fd_offset = map.shm_offset;
    sent.unmap = Below(2) == 0;
    sent.range = {map.shmid, map.shm_offset, map.len};
    if (sent.unmap) {
      talk.Unmap(map);
    } else {
      talk.Map(map);
    }
    pending_.push_back(sent);
  }
  void AnswerOldest() {
    if (pending_.empty()) return;
    const Sent sent = pending_.front();
    pending_.pop_front();
    if (sent.other) {
      talk.VmmAnswers(BackendRequest::kConfigChangeMsg, 0);
      return;
    }
    talk.VmmAnswers(sent.unmap ? BackendRequest::kShmemUnmap : BackendRequest::kShmemMap,
                    vmm_.Answer(sent.unmap, sent.range));
  }
  // The VM pauses: all answers are in before, and the mappings are shown again afterwards.
  void StopAndContinue() {
    AnswerAll();
    std::vector<TableEntry> memory = {Ram()};
    for (const uint8_t shmid : {uint8_t{0}, uint8_t{1}, uint8_t{3}}) {
      for (const state::Mapping& mapping : talk.Mappings(shmid))
        memory.push_back(EchoOf(mapping.fd, mapping.fd_offset));
    }
    talk.Stop();
    talk.Start(1, memory);
    EXPECT_EQ(talk.sink.table().Totals().stale_bytes, 0u);
  }

  std::mt19937 random_;
  ModelVmm vmm_;
  std::deque<Sent> pending_;
};

TEST(TrackerModel, TheTableIsWhatTheVmmHasMapped) {
  for (uint32_t seed = 1; seed <= 50; ++seed) {
    RandomTalk random(seed);
    size_t most = 0;
    for (int step = 0; step < 2000; ++step) {
      random.Step();
      most = std::max(most, random.Shown().size());
      ASSERT_EQ(random.Shown(), random.Expected()) << "seed " << seed << ", step " << step;
    }
    random.AnswerAll();
    EXPECT_EQ(random.Shown(), random.Expected());
    EXPECT_GT(most, 5u);
    EXPECT_TRUE(random.talk.observed());
    EXPECT_EQ(random.talk.status().pending_requests, 0u);
    EXPECT_EQ(random.talk.status().reset_count, 0u);
    EXPECT_FALSE(random.talk.IsOpen(state::FindingCode::kMapOverlap, 0));
    EXPECT_FALSE(random.talk.IsOpen(state::FindingCode::kUnmapPartial, 0));
  }
}

}  // namespace
}  // namespace shmemd::session
