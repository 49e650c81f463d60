#include "server/convert/finding.h"

#include <gtest/gtest.h>

namespace shmemd::convert {
namespace {

TEST(FindingTest, EveryCodeHasNameSeveritySummaryAndRemedy) {
  for (int i = 0; i < state::kFindingCodeCount; ++i) {
    state::Finding finding;
    finding.code = static_cast<state::FindingCode>(i);
    const v1::Finding proto = ToProto("fs0", finding);
    EXPECT_NE(proto.code(), "") << i;
    EXPECT_NE(proto.severity(), v1::Finding::SEVERITY_UNSPECIFIED) << proto.code();
    EXPECT_NE(proto.summary(), "") << proto.code();
    EXPECT_NE(proto.remedy(), "") << proto.code();
  }
}

TEST(FindingTest, ResourceIsTheBackendOrTheRegion) {
  state::Finding finding;
  EXPECT_EQ(ToProto("fs0", finding).resource(), "backends/fs0");
  finding.shmid = 7;
  EXPECT_EQ(ToProto("fs0", finding).resource(), "backends/fs0/regions/7");
}

TEST(FindingTest, EvidenceIsNamedAndTheCountIsKept) {
  state::Finding finding;
  finding.code = state::FindingCode::kMapOverlap;
  finding.shmid = 2;
  finding.count = 3;
  finding.open = false;
  finding.first_seen_ns = 1'000'000'000;
  finding.last_seen_ns = 2'000'000'000;
  finding.evidence[0] = {state::EvidenceKey::kShmOffset, 0x10000};
  finding.evidence[1] = {state::EvidenceKey::kLen, 0x8000};
  const v1::Finding proto = ToProto("fs0", finding);
  EXPECT_EQ(proto.code(), "MAP_OVERLAP");
  EXPECT_EQ(proto.evidence().at("shm_offset"), "0x10000");
  EXPECT_EQ(proto.evidence().size(), 2);
  EXPECT_EQ(proto.occurrence_count(), 3);
  EXPECT_FALSE(proto.open());
  EXPECT_EQ(proto.first_seen_time().seconds(), 1);
  EXPECT_EQ(proto.last_seen_time().seconds(), 2);
}

}  // namespace
}  // namespace shmemd::convert
