// A copy that is brought up to date in slices, with live events in between, must become equal to the
// original.
#include <gtest/gtest.h>

#include <random>
#include <vector>

#include "tests/state/random_events.h"
#include "tests/state/state_fixture.h"

namespace shmemd::state {
namespace {

class RestoreTest : public testing::TestWithParam<uint32_t> {
 protected:
  // The original changes, and the copy hears of it.
  void Live() {
    const Event event = original_.Apply(events_.Next());
    if (copying_) copy_.backend.Apply(event);
  }

  // The status, so that the epoch of what is mapped meanwhile is known; slices of a few mappings by (shmid,
  // offset), events in between; the status again, last: as the feed sends them.
  void CopyInSlices(std::mt19937& random) {
    copying_ = true;
    SendStatus();
    for (int shmid = 0; shmid < 3; ++shmid) {
      uint64_t from = 0;
      bool more = true;
      while (more) {
        for (uint64_t events = random() % 4; events > 0; --events) Live();
        more = SendSlice(static_cast<uint8_t>(shmid), from);
      }
    }
    SendStatus();
  }

  bool SendSlice(uint8_t shmid, uint64_t& from) {
    const Region* region = original_.backend.FindRegion(shmid);
    if (region == nullptr) return false;
    std::vector<Mapping> slice;
    bool more = false;
    region->table.ForEach(from, [&](const Mapping& mapping) {
      more = slice.size() == 3;
      from = mapping.shm_offset;
      if (!more) slice.push_back(mapping);
      return !more;
    });
    for (int times = 0; times < 2; ++times) {
      for (const Mapping& mapping : slice) copy_.backend.RestoreMapping(mapping);
    }
    return more;
  }

  void SendStatus() {
    std::vector<Finding> findings;
    for (const auto& [key, finding] : original_.backend.findings()) findings.push_back(finding);
    for (int times = 0; times < 2; ++times) {
      copy_.backend.RestoreStatus(original_.backend.status());
      for (const auto& [shmid, region] : original_.backend.regions())
        copy_.backend.RestoreRegion(region.status);
      copy_.backend.RestoreFindings(findings);
    }
  }

  void ExpectEqual() {
    const Picture expected = PictureOf(original_.backend);
    const Picture got = PictureOf(copy_.backend);
    EXPECT_TRUE(expected.mappings == got.mappings);
    EXPECT_TRUE(expected.status == got.status);
    EXPECT_TRUE(expected.regions == got.regions);
    EXPECT_TRUE(expected.totals == got.totals);
    EXPECT_TRUE(expected.holes == got.holes);
    EXPECT_TRUE(expected.findings == got.findings);
  }

  RandomEvents events_{GetParam()};
  BackendUnderTest original_{GetParam() % 2 == 0 ? Mode::kRelay : Mode::kFrontend};
  BackendUnderTest copy_{GetParam() % 2 == 0 ? Mode::kRelay : Mode::kFrontend};
  bool copying_ = false;
};

TEST_P(RestoreTest, ACopyThatIsCaughtUpWithIsEqualAndStaysSo) {
  for (int i = 0; i < 300; ++i) Live();
  std::mt19937 random(GetParam());
  CopyInSlices(random);
  ExpectEqual();
  for (int i = 0; i < 300; ++i) Live();
  ExpectEqual();
}

INSTANTIATE_TEST_SUITE_P(Seeds, RestoreTest, testing::Range(0U, 60U));

// The promise behind vhost_shmem_mapped_bytes: it is the sum of what is listed as MAPPED or ASSUMED.
TEST(BackendRandomTest, MappedBytesAreTheSumOfTheListAfterAHundredThousandEvents) {
  RandomEvents events(7);
  BackendUnderTest original(Mode::kRelay);
  BackendUnderTest copy(Mode::kRelay);
  uint64_t most = 0;
  for (int step = 0; step < 100'000; ++step) {
    copy.backend.Apply(original.Apply(events.Next()));
    for (const auto& [shmid, region] : original.backend.regions()) {
      uint64_t mapped = 0;
      uint64_t at_risk = 0;
      uint64_t end = 0;
      region.table.ForEach(0, [&, id = shmid](const Mapping& mapping) {
        EXPECT_GE(mapping.shm_offset, end);
        EXPECT_EQ(mapping.shmid, id);
        end = mapping.shm_offset + mapping.len;
        const bool stale = mapping.state == MappingState::kStale;
        if (!stale) mapped += mapping.len;
        at_risk += stale ? mapping.len : mapping.beyond_eof_bytes();
        return true;
      });
      ASSERT_EQ(mapped, region.table.totals().mapped_bytes) << "step " << step;
      ASSERT_EQ(at_risk, region.table.totals().at_risk_bytes) << "step " << step;
      ASSERT_GE(region.status.peak_mapped_bytes, mapped);
      most = std::max(most, mapped);
    }
    if (step % 500 != 0) continue;
    ASSERT_TRUE(PictureOf(original.backend) == PictureOf(copy.backend)) << "step " << step;
  }
  EXPECT_GT(most, kPages * kPage / 2) << "the regions stayed too empty to be tested";
}

}  // namespace
}  // namespace shmemd::state
