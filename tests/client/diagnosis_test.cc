#include "client/print/diagnosis.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "client/print/doctor_printer.h"
#include "client/print/status_printer.h"
#include "tests/client/fake_shmemd.h"
#include "tests/client/golden_file.h"

namespace shmemd::client {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

ServerView ViewOf(const CannedData& data) {
  ServerView view;
  view.info.set_version("0.1.0");
  view.info.mutable_start_time()->set_seconds(1'767'225'600);
  view.info.set_synced(true);
  view.health = "SERVING";
  for (const v1::Backend& backend : data.backends) *view.backends.add_backends() = backend;
  for (const v1::Region& region : data.regions) *view.regions.add_regions() = region;
  for (const v1::Finding& finding : data.findings) *view.findings.add_findings() = finding;
  return view;
}

// A region of 1 MiB of a back-end that is up.
ServerView OneRegion(int64_t mapped, int64_t free, int64_t largest) {
  ServerView view = ViewOf({});
  v1::Backend* backend = view.backends.add_backends();
  backend->set_name("backends/gpu0");
  backend->set_state(v1::Backend::ACTIVE);
  backend->set_observed(true);
  v1::Region* region = view.regions.add_regions();
  region->set_name("backends/gpu0/regions/2");
  region->set_shmid(2);
  region->set_size_bytes(1 << 20);
  region->set_mapped_bytes(mapped);
  region->set_free_bytes(free);
  region->set_largest_free_extent_bytes(largest);
  return view;
}

std::vector<std::string> CodesOf(const ServerView& view, const std::string& client_version = "0.1.0") {
  std::vector<std::string> codes;
  for (const v1::Finding& finding : WorstFirst(Diagnose(view, client_version)))
    codes.push_back(finding.code());
  return codes;
}

TEST(Diagnose, AHealthyServerHasNoProblemsButChecks) {
  const ServerView view = OneRegion(1 << 19, 1 << 19, 1 << 19);
  EXPECT_THAT(CodesOf(view), IsEmpty());
  EXPECT_EQ(Diagnose(view, "0.1.0").size(), 12U);
}

TEST(Diagnose, Server) {
  ServerView view = ViewOf({});
  view.health = "NOT_SERVING";
  view.info.set_synced(false);
  EXPECT_THAT(CodesOf(view, "0.2.0"), ElementsAre("SERVER_NOT_SERVING", "SERVER_NOT_SYNCED", "VERSION_SKEW"));
  const auto patch = WorstFirst(Diagnose(ViewOf({}), "0.1.7"));
  ASSERT_EQ(patch.size(), 1U);
  EXPECT_EQ(patch[0].severity(), v1::Finding::INFO);
}

TEST(Diagnose, RoomIsJudgedAsTheAlertsDo) {
  constexpr int64_t kMiB = 1 << 20;
  EXPECT_THAT(CodesOf(OneRegion(kMiB * 9 / 10, kMiB - kMiB * 9 / 10, kMiB / 10)), IsEmpty());
  EXPECT_THAT(CodesOf(OneRegion(kMiB - 4096, 4096, 4096)), ElementsAre("REGION_NEARLY_FULL"));
  EXPECT_THAT(CodesOf(OneRegion(kMiB, 0, 0)), ElementsAre("REGION_FULL"));
  EXPECT_THAT(CodesOf(OneRegion(kMiB * 6 / 10, kMiB * 4 / 10, 4096)), ElementsAre("REGION_FRAGMENTED"));
  EXPECT_THAT(CodesOf(OneRegion(kMiB * 4 / 10, kMiB * 6 / 10, 4096)), IsEmpty());
}

// A map replaces what is STALE.
TEST(Diagnose, WhatIsStaleIsRoom) {
  constexpr int64_t kMiB = 1 << 20;
  ServerView view = OneRegion(kMiB / 2, 0, 0);
  v1::Region* region = view.regions.mutable_regions(0);
  region->set_at_risk_bytes(kMiB / 2);
  region->set_stale_bytes(kMiB / 2);
  EXPECT_THAT(CodesOf(view), ElementsAre("REGION_STALE"));
  region->set_mapped_bytes(kMiB - 4096);
  region->set_at_risk_bytes(4096);
  region->set_stale_bytes(4096);
  const auto problems = WorstFirst(Diagnose(view, "0.1.0"));
  ASSERT_EQ(problems.size(), 2U);
  EXPECT_EQ(problems[0].code(), "REGION_NEARLY_FULL");
  EXPECT_NE(problems[0].summary().find("0 B is free and 4.0 KiB is STALE"), std::string::npos)
      << problems[0].summary();
}

TEST(Diagnose, NothingIsSaidOfTheRoomOfABackendThatIsDownOrNotFollowed) {
  ServerView view = OneRegion(1 << 20, 0, 0);
  v1::Backend* backend = view.backends.mutable_backends(0);
  backend->set_state(v1::Backend::DISCONNECTED);
  EXPECT_THAT(CodesOf(view), ElementsAre("BACKEND_NOT_UP"));
  backend->set_state(v1::Backend::PROBED);
  backend->set_observed(false);
  EXPECT_THAT(CodesOf(view), IsEmpty());
}

TEST(Diagnose, WhatIsDangerous) {
  ServerView view = OneRegion(4096, 1 << 19, 1 << 19);
  v1::Region* region = view.regions.mutable_regions(0);
  region->set_at_risk_bytes(8192);
  region->set_stale_bytes(4096);
  EXPECT_THAT(CodesOf(view), ElementsAre("REGION_AT_RISK", "REGION_STALE"));
  region->set_at_risk_bytes(4096);
  EXPECT_THAT(CodesOf(view), ElementsAre("REGION_STALE"));
  region->set_exposed_by_frontend(v1::Region::NO);
  EXPECT_THAT(CodesOf(view), Contains("REGION_NOT_EXPOSED"));
  view.backends.mutable_backends(0)->set_observed(false);
  EXPECT_THAT(CodesOf(view), Contains("SESSION_UNOBSERVED"));
}

TEST(Diagnose, SubjectsAreWholeNames) {
  ServerView view = OneRegion(4096, 1 << 19, 1 << 19);
  *view.backends.add_backends() = view.backends.backends(0);
  view.backends.mutable_backends(1)->set_name("backends/gpu");
  v1::Finding* finding = view.findings.add_findings();
  finding->set_resource("backends/gpu0");
  finding->set_code("MAP_OVERLAP");
  finding->set_open(true);
  EXPECT_THAT(CodesOf(view), ElementsAre("MAP_OVERLAP"));
}

// The entries of a map come in any order.
std::string WithoutEvidence(std::string json) {
  constexpr std::string_view kBegin = "\"evidence\": {";
  for (size_t at = json.find(kBegin); at != std::string::npos; at = json.find(kBegin, at)) {
    at += kBegin.size();
    json.erase(at, json.find('}', at) - at);
  }
  return json;
}

TEST(Doctor, IsAsInTheGoldenFiles) {
  const PrintStyle style{.terminal = {.width = 80, .utf8 = true, .color = false}};
  DoctorReport report{.reached = true,
                      .endpoint = "unix:/run/shmemd/api.sock",
                      .server_version = "0.1.0",
                      .client_version = "0.1.0",
                      .checks = Diagnose(ViewOf(SampleData()), "0.1.0")};
  ExpectGolden("doctor_80.txt", RenderDoctor(OnlyAnswer(report), style));
  ExpectGolden("doctor.json", WithoutEvidence(DoctorToJson(report)));
  const DoctorReport lost{.reached = false,
                          .endpoint = "unix:/run/lost.sock",
                          .server_version = "",
                          .client_version = "0.1.0",
                          .checks = DiagnoseUnreachable("nobody listens <there>")};
  ExpectGolden("doctor_junit.xml", RenderJunit({DoctorToJunit(report, v1::Finding::WARNING),
                                                DoctorToJunit(lost, v1::Finding::ERROR)}));
}

TEST(Status, IsAsInTheGoldenFiles) {
  const PrintStyle style{.terminal = {.width = 80, .utf8 = true, .color = false}};
  const ServerView sample = ViewOf(SampleData());
  const ServerView relay = ViewOf(RelayData());
  const StatusOptions options{.endpoint = "unix:/run/shmemd/api.sock",
                              .client_version = "0.1.0",
                              .now = absl::FromUnixSeconds(1'767'225'600 + 3661)};
  ExpectGolden("status_80.txt", RenderStatus(OnlyAnswer(sample), options, style) + "\n" +
                                    RenderStatus({{"vm1", &sample}, {"vm2", &relay}}, options, style));
  ExpectGolden("status.json", WithoutEvidence(StatusToJson(sample, options)));
}

size_t SumOfNumbers(std::string_view text) {
  size_t sum = 0;
  size_t number = 0;
  for (const char c : text) {
    const bool digit = c >= '0' && c <= '9';
    if (!digit) sum += number;
    number = digit ? number * 10 + static_cast<size_t>(c - '0') : 0;
  }
  return sum + number;
}

// Lines of the table WORST and how many more there are.
size_t WorstOf(const std::string& text) {
  const std::string table = text.substr(text.find("WORST"));
  const auto lines = static_cast<size_t>(std::count(table.begin(), table.end(), '\n'));
  const size_t more = table.find(" more: shmemctl doctor");
  if (more == std::string::npos) return lines - 1;
  const size_t begin = table.rfind('\n', more) + 1;
  return lines - 2 + SumOfNumbers(table.substr(begin, more - begin));
}

TEST(Status, CountsAreThoseOfTheWorst) {
  const PrintStyle style{.terminal = {.width = 120, .utf8 = true, .color = false}};
  const StatusOptions options{.endpoint = "e", .client_version = "0.1.0", .now = absl::UnixEpoch()};
  for (const CannedData& data : {SampleData(), RelayData()}) {
    const ServerView view = ViewOf(data);
    const std::string text = RenderStatus(OnlyAnswer(view), options, style);
    const size_t problems = text.find("problems ");
    ASSERT_NE(problems, std::string::npos) << text;
    EXPECT_EQ(SumOfNumbers(text.substr(problems, text.find('\n', problems) - problems)), WorstOf(text))
        << text;
  }
}

TEST(Status, TheWorstFitIntoFortyColumns) {
  const PrintStyle style{.terminal = {.width = 40, .utf8 = true, .color = false}};
  const ServerView view = ViewOf(SampleData());
  const std::string text = RenderStatus(
      OnlyAnswer(view), {.endpoint = "e", .client_version = "0.1.0", .now = absl::UnixEpoch()}, style);
  EXPECT_THAT(text, ::testing::HasSubstr("\nERROR    fs0       it is DISCONNECTED"));
}

TEST(Junit, HasNoCharacterThatXmlForbids) {
  const JunitSuite suite{.name = "\x01 \xef\xbf\xbe \xef\xbf\xbf <"};
  EXPECT_THAT(RenderJunit({suite}), ::testing::HasSubstr(R"(name="\x01 \ufffe \uffff &lt;")"));
}

TEST(FormatAge, TwoUnitsAtMost) {
  EXPECT_EQ(FormatAge(absl::Seconds(-5)), "0s");
  EXPECT_EQ(FormatAge(absl::Seconds(59)), "59s");
  EXPECT_EQ(FormatAge(absl::Minutes(59)), "59m");
  EXPECT_EQ(FormatAge(absl::Minutes(61)), "1h 1m");
  EXPECT_EQ(FormatAge(absl::Hours(49)), "2d 1h");
}

}  // namespace
}  // namespace shmemd::client
