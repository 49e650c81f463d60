#include <gmock/gmock.h>
#include <google/protobuf/text_format.h>
#include <gtest/gtest.h>

#include <string>

#include "client/print/backend_printer.h"
#include "client/print/event_printer.h"
#include "client/print/finding_printer.h"
#include "client/print/mapping_printer.h"
#include "client/print/probe_printer.h"
#include "client/print/region_printer.h"
#include "client/print/text.h"
#include "tests/client/fake_shmemd.h"
#include "tests/client/golden_file.h"

namespace shmemd::client {
namespace {

PrintStyle Style(int width, bool wide = false, bool bytes = false) {
  return {.terminal = {.width = width, .utf8 = true, .color = false},
          .wide = wide,
          .bytes = bytes,
          .headers = true};
}

template <typename Response, typename Item>
Response ListOf(const std::vector<Item>& items,
                google::protobuf::RepeatedPtrField<Item>* (Response::*field)()) {
  Response response;
  for (const Item& item : items) *(response.*field)()->Add() = item;
  return response;
}

std::string AllTables(const CannedData& data, const PrintStyle& style) {
  const auto backends = ListOf(data.backends, &v1::ListBackendsResponse::mutable_backends);
  std::string text = RenderBackends(backends, style) + "\n" + RenderConfigs(backends, style) + "\n";
  text += RenderRegions(ListOf(data.regions, &v1::ListRegionsResponse::mutable_regions), style) + "\n";
  text += RenderMappings(ListOf(data.mappings, &v1::ListMappingsResponse::mutable_mappings), style) + "\n";
  text +=
      RenderFindings(ListOf(data.findings, &v1::ListFindingsResponse::mutable_findings), style, false) + "\n";
  const v1::Backend& second = data.backends[1];
  return second.has_features() ? text + RenderFeatures(second.features(), style) : text;
}

TEST(Printers, TablesAreAsInTheGoldenFiles) {
  ExpectGolden("tables_80.txt", AllTables(SampleData(), Style(80)));
  ExpectGolden("tables_200.txt", AllTables(SampleData(), Style(200)));
  ExpectGolden("tables_wide.txt", AllTables(SampleData(), Style(80, true)));
  ExpectGolden("tables_bytes.txt", AllTables(SampleData(), Style(0, false, true)));
}

TEST(Printers, ARelayLooksAsInTheGoldenFiles) {
  ExpectGolden("relay_80.txt", AllTables(RelayData(), Style(80)));
  ExpectGolden("relay_200.txt", AllTables(RelayData(), Style(200)));
  ExpectGolden("relay_wide.txt", AllTables(RelayData(), Style(80, true)));
}

TEST(Printers, AnActiveBackendThatCannotBeFollowedIsNotGreen) {
  constexpr char kGreen[] = "\x1b[32m";
  PrintStyle style = Style(0);
  style.terminal.color = true;
  style.headers = false;
  v1::ListBackendsResponse list;
  *list.add_backends() = RelayData().backends[1];
  list.mutable_backends(0)->mutable_totals()->Clear();
  EXPECT_THAT(RenderBackends(list, style), ::testing::Not(::testing::HasSubstr(kGreen)));
  list.mutable_backends(0)->set_observed(true);
  EXPECT_THAT(RenderBackends(list, style), ::testing::HasSubstr(kGreen));
}

TEST(Printers, EventLinesFitAndAreHarmless) {
  v1::Event event;
  event.mutable_event_time()->set_seconds(1'767'225'600);
  event.set_type(v1::Event::MAPPED);
  event.set_backend("backends/\x1b[31mgpu0");
  event.set_shmid(2);
  event.set_summary("64 KiB at 0x0 of a file that has a long name");
  for (const char* endpoint : {"", "vm1"}) {
    for (const int width : {20, 40, 80, 110}) {
      const std::string line = RenderEventLine(event, Style(width), endpoint);
      EXPECT_LE(DisplayWidth(line.substr(0, line.size() - 1)), width) << line;
      EXPECT_THAT(line, ::testing::Not(::testing::HasSubstr("\x1b")));
      EXPECT_EQ(line.find("2026-01-01T") != std::string::npos, width >= 110) << line;
    }
  }
  EXPECT_THAT(RenderEventLine(event, Style(80), ""), ::testing::HasSubstr("64 KiB at"));
}

TEST(Printers, WhatIsNearlyFullIsYellowAndWhatIsFullRed) {
  EXPECT_EQ(UsedCell(89, 100).color, Color::kNone);
  EXPECT_EQ(UsedCell(90, 100).color, Color::kYellow);
  EXPECT_EQ(UsedCell(99, 100).color, Color::kYellow);
  EXPECT_EQ(UsedCell(100, 100).color, Color::kRed);
  EXPECT_EQ(UsedCell(0, 0).color, Color::kNone);
}

TEST(DescribeState, SaysWhatIsMissing) {
  const CannedData data = RelayData();
  EXPECT_EQ(DescribeState(data.backends[0]), "the back-end closed the connection");
  EXPECT_EQ(DescribeState(data.backends[1]),
            "PAIRING_LOST: on the main channel an answer to message 9 was next, got 10");
  EXPECT_EQ(DescribeState(data.backends[2]), "");
  EXPECT_EQ(DescribeState(data.backends[3]), "no VMM at /run/vhost-user/waiting.sock");
  v1::Backend negotiating = data.backends[1];
  negotiating.set_state(v1::Backend::NEGOTIATING);
  EXPECT_THAT(DescribeState(negotiating), ::testing::StartsWith("PAIRING_LOST"));
  negotiating.set_mode(v1::Backend::FRONTEND);
  EXPECT_EQ(DescribeState(negotiating), "");
}

TEST(Printers, FindingsThatMayBeClosedSayWhetherTheyAreOpen) {
  std::vector<v1::Finding> findings = SampleData().findings;
  findings.at(1).set_open(false);
  const auto list = ListOf(findings, &v1::ListFindingsResponse::mutable_findings);
  EXPECT_THAT(RenderFindings(list, Style(0), true),
              ::testing::ContainsRegex("COUNT  OPEN  SUMMARY\n.* yes   .*\n.* no    "));
  EXPECT_THAT(RenderFindings(list, Style(0), false), ::testing::Not(::testing::HasSubstr("OPEN")));
}

TEST(DescribeConfig, SaysWhatTheNumberMeans) {
  v1::ShmemConfig config;
  EXPECT_EQ(DescribeConfig(config), "no region configuration seen yet");
  config.set_reported_num_regions(2);
  config.set_nonzero_size_count(2);
  config.set_highest_shmid(5);
  config.set_reply_payload_bytes(2056);
  config.set_num_regions_meaning(v1::ShmemConfig::COUNT);
  EXPECT_EQ(DescribeConfig(config), "num_regions 2 (count), reply 2056 B");
  config.set_reported_num_regions(6);
  config.set_num_regions_meaning(v1::ShmemConfig::SPAN);
  config.set_padding_nonzero(true);
  EXPECT_EQ(
      DescribeConfig(config),
      "num_regions 6 (span: the highest shmid is 5, 2 sizes are not zero), reply 2056 B, padding not zero");
}

v1::ProbeReport SampleReport() {
  v1::ProbeReport report;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(R"(
    socket: "/run/backends/gpu0.sock" start_time { seconds: 1767225600 } duration { nanos: 12345678 }
    config {
      reported_num_regions: 1 nonzero_size_count: 2 highest_shmid: 2 reply_payload_bytes: 2056
      num_regions_meaning: TOO_SMALL source: ASKED
    }
    regions { name: "backends/-/regions/0" shmid: 0 size_bytes: 4194304 }
    regions { name: "backends/-/regions/2" shmid: 2 size_bytes: 4096 }
    checks {
      rule: "shmem-bit-offered" description: "SHMEM is offered as bit 22" source: "virtio spec" result: PASSED
      evidence: "offered 0x400428"
    }
    checks {
      rule: "num-regions" description: "num_regions is the count of sizes & <nothing> else" source: "vhost-user spec"
      result: FAILED evidence: "expected 2, got 1 \"\033[31m\""
    }
    checks { rule: "same-answer-twice" description: "both answers are equal" source: "ours" result: SKIPPED
             evidence: "there was one answer" }
    failure: "the back-end closed the connection")",
                                                            &report));
  return report;
}

TEST(Probe, ReportIsAsInTheGoldenFiles) {
  ExpectGolden("probe_80.txt", RenderProbe(SampleReport(), Style(80)));
  ExpectGolden("probe_wide.txt", RenderProbe(SampleReport(), Style(80, true)));
  ExpectGolden("probe_junit.xml", ProbeToJunit(SampleReport()));
}

TEST(Probe, EmptyReportIsStillAReport) {
  EXPECT_THAT(RenderProbe(v1::ProbeReport(), Style(80)),
              ::testing::HasSubstr("0 passed, 0 failed, 0 skipped"));
  EXPECT_THAT(ProbeToJunit(v1::ProbeReport()),
              ::testing::HasSubstr("tests=\"1\" failures=\"0\" errors=\"0\""));
}

}  // namespace
}  // namespace shmemd::client
