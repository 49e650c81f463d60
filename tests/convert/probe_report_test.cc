#include "server/convert/probe_report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace shmemd::convert {
namespace {

using testing::HasSubstr;

TEST(ProbeReportTest, AReportThatCameToItsEnd) {
  state::ProbeReport report;
  report.socket = "/run/x.sock";
  report.start_time_ns = 3'000'000'000;
  report.duration_ns = 2'000'000;
  report.features.known = true;
  report.config.source = state::ConfigSource::kAsked;
  report.regions = {{0, 0x1000}, {5, ~uint64_t{0}}};
  report.checks = {{"feature-bit", "SHMEM is bit 22", "specification", state::CheckResult::kPassed, "bit 22"},
                   {"same-answer", "twice the same", "shmemd", state::CheckResult::kSkipped, "asked once"}};
  const v1::ProbeReport proto = ToProto(report);
  EXPECT_EQ(proto.socket(), "/run/x.sock");
  EXPECT_EQ(proto.start_time().seconds(), 3);
  EXPECT_EQ(proto.duration().nanos(), 2'000'000);
  EXPECT_TRUE(proto.has_features());
  EXPECT_TRUE(proto.has_config());
  ASSERT_EQ(proto.regions_size(), 2);
  EXPECT_EQ(proto.regions(0).size_bytes(), 0x1000);
  EXPECT_EQ(proto.regions(1).shmid(), 5);
  EXPECT_EQ(proto.regions(1).size_bytes(), std::numeric_limits<int64_t>::max());
  ASSERT_EQ(proto.checks_size(), 2);
  EXPECT_EQ(proto.checks(0).rule(), "feature-bit");
  EXPECT_EQ(proto.checks(0).result(), v1::ProbeReport::Check::PASSED);
  EXPECT_EQ(proto.checks(1).result(), v1::ProbeReport::Check::SKIPPED);
  EXPECT_EQ(proto.failure(), "");
}

TEST(ProbeReportTest, AReportThatEndedEarlySaysWhy) {
  state::ProbeReport report;
  report.failure = {state::StateReason::kReplyTimeout, state::WireAspect::kNone, false, 44, 0, 5000, 0, 0};
  EXPECT_THAT(ToProto(report).failure(), HasSubstr("GET_SHMEM_CONFIG"));
  EXPECT_FALSE(ToProto(report).has_features());
  EXPECT_FALSE(ToProto(report).has_config());
  report.failure_text = "said so";
  EXPECT_EQ(ToProto(report).failure(), "said so");
}

}  // namespace
}  // namespace shmemd::convert
