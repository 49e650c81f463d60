// What each command of shmemctl does with the answers of a shmemd.
#include <gmock/gmock.h>
#include <google/protobuf/util/json_util.h>
#include <gtest/gtest.h>

#include <ctime>

#include "tests/client/golden_file.h"
#include "tests/client/shmemctl_run.h"

namespace shmemd::client {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

TEST(Shmemctl, RegionsShowWhatWasSentAboveTheTable) {
  const FakeShmemd fake(SampleData());
  const ProgramRun run = Ctl(fake, {"regions", "gpu0"});
  EXPECT_EQ(run.exit_code, 0);
  EXPECT_THAT(run.out, ::testing::StartsWith("gpu0: num_regions 3 (count), reply 2056 B\n\nBACKEND  SHMID"));
  EXPECT_THAT(run.err, IsEmpty());
}

TEST(Shmemctl, ListsAreFetchedPageByPage) {
  CannedData data = SampleData();
  data.max_page = 1;
  const FakeShmemd fake(data);
  EXPECT_EQ(Ctl(fake, {"mappings", "-q"}).out,
            "gpu0/0/0x0\ngpu0/0/0x10000000\ngpu0/0/0x80000000\ngpu0/2/0x1000\n");
  EXPECT_EQ(fake.call_count(), 4);
  EXPECT_EQ(Ctl(fake, {"regions", "-q"}).out, "fs0/0\ngpu0/0\ngpu0/2\ngpu0/5\n");
  EXPECT_EQ(Ctl(fake, {"backends", "-q"}).out, "fs0\ngpu0\n");
  EXPECT_EQ(Ctl(fake, {"findings", "-q"}).out, "gpu0/0 EMPTY_BACKING\ngpu0 SHRINKABLE_BACKING\n");
}

TEST(Shmemctl, JsonIsTheListResponseWithAllPages) {
  const CannedData data = SampleData();
  const FakeShmemd fake(data);
  v1::ListMappingsResponse expected;
  for (const v1::Mapping& mapping : data.mappings) *expected.add_mappings() = mapping;
  v1::ListMappingsResponse got;
  ASSERT_TRUE(
      google::protobuf::util::JsonStringToMessage(Ctl(fake, {"mappings", "-o", "json"}).out, &got).ok());
  EXPECT_EQ(got.DebugString(), expected.DebugString());
  const std::string regions = Ctl(fake, {"regions", "gpu0", "-o", "json"}).out;
  EXPECT_THAT(regions, HasSubstr("\"sizeBytes\": \"4294967296\""));
  EXPECT_THAT(regions, HasSubstr("\"mappedBytes\": \"0\""));
}

TEST(Shmemctl, MappingsAreAskedForByFilterAndOrder) {
  const FakeShmemd fake(SampleData());
  EXPECT_EQ(Ctl(fake, {"mappings"}).exit_code, 0);
  EXPECT_EQ(fake.asked_mappings(), "|");
  Ctl(fake, {"mappings", "--at-risk", "--sort", "size"});
  EXPECT_EQ(fake.asked_mappings(), "at_risk = true|length_bytes desc");
  Ctl(fake, {"mappings", "--stale", "--filter", "length_bytes > 4096", "--sort", "age", "--reverse"});
  EXPECT_EQ(fake.asked_mappings(), "state = STALE AND length_bytes > 4096|request_time desc");
  EXPECT_EQ(Ctl(fake, {"mappings", "--sort", "colour"}).exit_code, 2);
}

TEST(Shmemctl, LookupSaysWhichMappingAndWhereInItsFile) {
  const FakeShmemd fake(SampleData());
  const ProgramRun run = Ctl(fake, {"lookup", "gpu0/2", "0x1800"});
  EXPECT_EQ(run.exit_code, 0);
  EXPECT_THAT(run.out, ::testing::StartsWith("REGION"));
  EXPECT_THAT(run.out, HasSubstr("\nin the file at 0x"));
  EXPECT_EQ(Ctl(fake, {"lookup", "gpu0/2", "6144", "-q"}).out, "gpu0/2/0x1000\n");
  EXPECT_THAT(Ctl(fake, {"lookup", "gpu0/2", "0x1800", "-o", "json"}).out, HasSubstr("\"fdOffsetBytes\": "));
  const ProgramRun nothing = Ctl(fake, {"lookup", "gpu0/2", "0x0"});
  EXPECT_EQ(nothing.exit_code, 4);
  EXPECT_THAT(nothing.out, IsEmpty());
  EXPECT_EQ(Ctl(fake, {"lookup", "gpu0", "0"}).exit_code, 2);
  EXPECT_EQ(Ctl(fake, {"lookup", "gpu0/2", "here"}).exit_code, 2);
  EXPECT_EQ(Ctl(fake, {"lookup", "gpu0/2", "-1"}).exit_code, 2);
}

TEST(Shmemctl, EventsAreALineEach) {
  CannedData data;
  v1::Event event;
  event.set_type(v1::Event::MAPPED);
  event.set_backend("backends/gpu0");
  event.set_shmid(2);
  event.set_revision(17);
  event.mutable_event_time()->set_seconds(1'772'366'400);
  event.mutable_event_time()->set_nanos(5'000'000);
  event.set_summary("SHMEM_MAP of 0x1000 bytes at 0x0");
  data.events = {event, event, event};
  event.Clear();
  event.set_type(v1::Event::EVENTS_LOST);
  event.set_summary("events are missing here");
  data.events.push_back(event);
  const FakeShmemd fake(data);
  const ProgramRun run = Ctl(fake, {"events", "--no-headers"});
  EXPECT_EQ(run.exit_code, 0);
  EXPECT_THAT(run.out, ::testing::StartsWith("2026-03-01T12:00:00.005Z"));
  EXPECT_THAT(run.out, HasSubstr("gpu0/2"));
  EXPECT_THAT(run.out, HasSubstr("SHMEM_MAP of 0x1000 bytes at 0x0\n"));
  EXPECT_THAT(run.out, HasSubstr("EVENTS_LOST"));
  EXPECT_FALSE(fake.asked_events().has_since());
  EXPECT_THAT(Ctl(fake, {"events", "-o", "json"}).out, HasSubstr("\"type\": \"MAPPED\""));
  EXPECT_EQ(Ctl(fake, {"events", "-q"}).out, "17 MAPPED\n17 MAPPED\n17 MAPPED\n0 EVENTS_LOST\n");
}

TEST(Shmemctl, EventsAreAskedForByTargetTypeAndTime) {
  const FakeShmemd fake(SampleData());
  const ProgramRun none = Ctl(fake, {"events", "gpu0/2", "--type", "MAPPED,unmapped", "--since", "10m"});
  EXPECT_EQ(none.exit_code, 0);
  EXPECT_EQ(none.err, "no events\n");
  const v1::ListEventsRequest asked = fake.asked_events();
  EXPECT_EQ(asked.parent(), "backends/gpu0/regions/2");
  EXPECT_THAT(asked.types(), ::testing::ElementsAre(v1::Event::MAPPED, v1::Event::UNMAPPED));
  EXPECT_NEAR(static_cast<double>(asked.since().seconds()), static_cast<double>(std::time(nullptr) - 600),
              30);
  Ctl(fake, {"events", "--since", "2026-03-01T12:00:00Z"});
  EXPECT_EQ(fake.asked_events().since().seconds(), 1'772'366'400);
  EXPECT_EQ(Ctl(fake, {"events", "--since", "lately"}).exit_code, 2);
  EXPECT_EQ(Ctl(fake, {"events", "--type", "MAPED"}).exit_code, 2);
}

TEST(Shmemctl, MappingsOfOneRegion) {
  const FakeShmemd fake(SampleData());
  EXPECT_EQ(Ctl(fake, {"mappings", "gpu0/2", "-q"}).out, "gpu0/2/0x1000\n");
  const ProgramRun none = Ctl(fake, {"mappings", "gpu0/5"});
  EXPECT_EQ(none.exit_code, 0);
  EXPECT_THAT(none.out, IsEmpty());
  EXPECT_EQ(none.err, "no mappings\n");
  EXPECT_EQ(Ctl(fake, {"mappings", "gpu0/5", "-o", "json"}).out, "{\n \"mappings\": []\n}\n");
  EXPECT_EQ(Ctl(fake, {"mappings", "gpu0/5", "-o", "yaml"}).out, "mappings: []\n");
}

TEST(Shmemctl, EmptyListsSaySo) {
  const FakeShmemd fake((CannedData()));
  EXPECT_EQ(Ctl(fake, {"backends"}).err, "no back-ends\n");
  EXPECT_EQ(Ctl(fake, {"regions"}).err, "no back-ends\n");
  EXPECT_EQ(Ctl(fake, {"map"}).err, "no regions\n");
  EXPECT_EQ(Ctl(fake, {"findings"}).err, "no findings\n");
}

TEST(Shmemctl, MapDrawsOneRegionOrAll) {
  const FakeShmemd fake(SampleData());
  const ProgramRun one = Ctl(fake, {"map", "gpu0/0", "--width", "80"});
  EXPECT_EQ(one.exit_code, 0);
  ExpectGolden("shmemctl_map_gpu0_0.txt", one.out);
  const ProgramRun all = Ctl(fake, {"map", "gpu0", "--width", "80"});
  EXPECT_THAT(all.out, HasSubstr(one.out));
  EXPECT_THAT(all.out, HasSubstr("gpu0  shmid 5   4.0 KiB"));
}

TEST(Shmemctl, MapOfManyMappingsPointsToTheList) {
  CannedData data = SampleData();
  data.layouts[1].mutable_region()->set_mapping_count(9);
  const FakeShmemd fake(data);
  const ProgramRun run = Ctl(fake, {"map", "gpu0/0"});
  EXPECT_THAT(run.out, HasSubstr("  9 mappings: shmemctl mappings gpu0/0\n"));
  EXPECT_THAT(run.out, ::testing::Not(HasSubstr("memfd")));
}

TEST(Shmemctl, HealthOfServerAndBackends) {
  CannedData data = SampleData();
  {
    const FakeShmemd fake(data);
    EXPECT_EQ(Ctl(fake, {"health"}).exit_code, 0);
    const ProgramRun run = Ctl(fake, {"health", "--backends"});
    EXPECT_EQ(run.exit_code, 5);
    EXPECT_EQ(run.out, "SERVING, 1 of 2 back-ends up\n");
    EXPECT_THAT(run.err, HasSubstr("back-end fs0 is DISCONNECTED: the back-end closed the connection"));
    const ProgramRun json = Ctl(fake, {"health", "--backends", "-o", "json"});
    EXPECT_EQ(json.exit_code, 5);
    EXPECT_EQ(json.out,
              "{\n \"status\": \"SERVING\",\n \"healthy\": false,\n \"backends\": [\n  {\n"
              "   \"name\": \"backends/fs0\",\n   \"state\": \"DISCONNECTED\",\n"
              "   \"stateDetail\": \"the back-end closed the connection\"\n  },\n  {\n"
              "   \"name\": \"backends/gpu0\",\n   \"state\": \"ACTIVE\"\n  }\n ]\n}\n");
  }
  data.backends.erase(data.backends.begin());
  const FakeShmemd all_up(data);
  EXPECT_EQ(Ctl(all_up, {"health", "--backends"}).exit_code, 0);
  data.serving = false;
  const FakeShmemd not_serving(data);
  EXPECT_EQ(Ctl(not_serving, {"health"}).exit_code, 5);
  EXPECT_EQ(Ctl(not_serving, {"health", "-o", "json"}).out, "{\n \"status\": \"NOT_SERVING\"\n}\n");
}

// The VMM may wait for readiness, so a relay without one is no fault of shmemd's; but its back-end is not up.
TEST(Shmemctl, ARelayThatWaitsForItsVmmIsHealthyAndItsBackendIsNotUp) {
  const FakeShmemd fake(RelayData());
  EXPECT_EQ(Ctl(fake, {"health"}).exit_code, 0);
  const ProgramRun run = Ctl(fake, {"health", "--backends"});
  EXPECT_EQ(run.exit_code, 5);
  EXPECT_EQ(run.out, "SERVING, 2 of 4 back-ends up\n");
  EXPECT_THAT(run.err, HasSubstr("back-end waiting is WAITING_FOR_FRONTEND: no VMM at "
                                 "/run/vhost-user/waiting.sock"));
}

TEST(Shmemctl, WhatMayBeLostIsShownInTheMapOfARelay) {
  const FakeShmemd fake(RelayData());
  const ProgramRun run = Ctl(fake, {"map", "lost/0", "--width", "80"});
  EXPECT_EQ(run.exit_code, 0);
  ExpectGolden("shmemctl_map_lost_0.txt", run.out);
}

TEST(Shmemctl, FeaturesOfARelayWithoutVmmSayThatNobodyNegotiated) {
  const FakeShmemd fake(RelayData());
  EXPECT_THAT(Ctl(fake, {"features", "waiting"}).err,
              HasSubstr("waiting has not negotiated yet; it is WAITING_FOR_FRONTEND"));
}

TEST(Shmemctl, HealthWaitsUntilItIsServed) {
  const FakeShmemd later(SampleData());
  EXPECT_EQ(Ctl(later, {"health", "--wait", "5"}).exit_code, 0);
  const ProgramRun never =
      RunProgram("shmemctl", {"health", "--wait", "0.3", "--endpoint", "unix:/nonexistent/api.sock"});
  EXPECT_EQ(never.exit_code, 3);
}

TEST(Shmemctl, FindingsFailOnSeverity) {
  CannedData data = SampleData();
  const FakeShmemd fake(data);
  EXPECT_EQ(Ctl(fake, {"findings"}).exit_code, 0);
  EXPECT_EQ(Ctl(fake, {"findings", "--fail-on", "error"}).exit_code, 0);
  EXPECT_EQ(Ctl(fake, {"findings", "--fail-on", "warning"}).exit_code, 6);
  for (v1::Finding& finding : data.findings) finding.set_open(false);
  const FakeShmemd closed(data);
  EXPECT_EQ(Ctl(closed, {"findings", "--all", "--fail-on", "info"}).exit_code, 0);
}

TEST(Shmemctl, FeaturesRefreshAndVersion) {
  const FakeShmemd fake(SampleData());
  EXPECT_THAT(Ctl(fake, {"features", "gpu0"}).out, HasSubstr(" 22  SHMEM             yes      yes"));
  EXPECT_EQ(Ctl(fake, {"features", "gpu0", "-q"}).out, "REPLY_ACK\nBACKEND_REQ\nBACKEND_SEND_FD\nSHMEM\n");
  EXPECT_THAT(Ctl(fake, {"features", "fs0"}).err,
              HasSubstr("fs0 has not negotiated yet; it is DISCONNECTED"));
  EXPECT_EQ(Ctl(fake, {"refresh", "gpu0"}).out, "gpu0: num_regions 3 (count), reply 2056 B\n");
  EXPECT_THAT(Ctl(fake, {"version"}).out, HasSubstr("shmemd 9.8.7 at " + fake.endpoint()));
  EXPECT_EQ(RunProgram("shmemctl", {"version", "--endpoint", "unix:/nonexistent/api.sock"}).exit_code, 0);
}

}  // namespace
}  // namespace shmemd::client
