// What a scrape shows of back-ends with a scripted history.
#include "server/metrics/backend_collectable.h"

#include <set>

#include "server/metrics/process_collectable.h"
#include "tests/metrics/metrics_fixture.h"

namespace shmemd::metrics {
namespace {

using feed::kPage;
using feed::Mapped;
using feed::Unmapped;
using state::BackendState;
using testing::AllOf;
using testing::Contains;
using testing::Gt;
using testing::IsEmpty;
using testing::Key;
using testing::Not;
using testing::Pair;

// A session with regions 0 (64 pages) and 2 (16 pages), up to ACTIVE.
std::vector<state::EventBody> SessionOfTwoRegions() {
  state::Features features;
  features.shmem_bit = 22;
  features.known = true;
  state::ShmemConfig config;
  config.meaning = state::NumRegionsMeaning::kCount;
  config.source = state::ConfigSource::kAsked;
  return {state::Connected{},
          state::FeaturesSeen{features},
          state::QueryDone{.duration_ns = 2'000'000, .failed = false},
          state::RegionReported{64 * kPage, 0, state::Exposed::kYes},
          state::RegionReported{16 * kPage, 2, state::Exposed::kYes},
          state::ConfigSeen{config},
          state::StateChanged{BackendState::kActive, {}}};
}

state::MapSettled ReadOnlyAssumed(uint64_t shm_offset, uint64_t len) {
  state::MapSettled settled = Mapped(0, shm_offset, len);
  settled.request.flags = 0;
  settled.request.need_reply = false;
  settled.ack_latency_ns = -1;
  return settled;
}

state::MapSettled BeyondEof(uint8_t shmid, uint64_t shm_offset, uint64_t len, uint64_t beyond) {
  state::MapSettled settled = Mapped(shmid, shm_offset, len);
  settled.request.fd.size_bytes = static_cast<int64_t>(len - beyond);
  return settled;
}

template <typename Settled>
Settled Failed(Settled settled, state::RequestFailure failure) {
  settled.failure = failure;
  settled.error_number = EINVAL;
  return settled;
}

std::vector<state::EventBody> Traffic() {
  const state::MapSettled first = Mapped(0, 0, 8 * kPage);
  const state::MapSettled second = ReadOnlyAssumed(16 * kPage, 4 * kPage);
  const state::MapSettled third = BeyondEof(2, 0, 2 * kPage, kPage);
  const state::UnmapSettled partial = Failed(Unmapped(0, kPage, kPage), state::RequestFailure::kPartial);
  return {state::MapRequested{first.request},     first,
          state::MapRequested{second.request},    second,
          state::MapRequested{first.request},     Failed(first, state::RequestFailure::kOverlap),
          state::UnmapRequested{partial.request}, partial,
          state::MapRequested{third.request},     third};
}

TEST_F(MetricsTest, EveryMetricOfRegionsAfterSomeTraffic) {
  const auto gpu0 = Attach("gpu0");
  Publish(gpu0, SessionOfTwoRegions());
  Publish(gpu0, Traffic());
  const Scrape scrape = Collect();
  Scrape regions;
  for (const auto& [name, value] : scrape) {
    if (name.find(",shmid=") != std::string::npos) regions[name] = value;
  }
  const double page = kPage;
  EXPECT_EQ(regions, (Scrape{
                         {"vhost_shmem_mapped_bytes{backend=gpu0,shmid=0}", 12 * page},
                         {"vhost_shmem_mapped_bytes{backend=gpu0,shmid=2}", 2 * page},
                         {"vhost_shmem_assumed_bytes{backend=gpu0,shmid=0}", 4 * page},
                         {"vhost_shmem_assumed_bytes{backend=gpu0,shmid=2}", 0},
                         {"vhost_shmem_stale_bytes{backend=gpu0,shmid=0}", 0},
                         {"vhost_shmem_stale_bytes{backend=gpu0,shmid=2}", 0},
                         {"vhost_shmem_at_risk_bytes{backend=gpu0,shmid=0}", 0},
                         {"vhost_shmem_at_risk_bytes{backend=gpu0,shmid=2}", page},
                         {"vhost_shmem_region_size_bytes{backend=gpu0,shmid=0}", 64 * page},
                         {"vhost_shmem_region_size_bytes{backend=gpu0,shmid=2}", 16 * page},
                         {"vhost_shmem_mapped_peak_bytes{backend=gpu0,shmid=0}", 12 * page},
                         {"vhost_shmem_mapped_peak_bytes{backend=gpu0,shmid=2}", 2 * page},
                         {"vhost_shmem_writable_mapped_bytes{backend=gpu0,shmid=0}", 8 * page},
                         {"vhost_shmem_writable_mapped_bytes{backend=gpu0,shmid=2}", 2 * page},
                         {"vhost_shmem_largest_free_extent_bytes{backend=gpu0,shmid=0}", 44 * page},
                         {"vhost_shmem_largest_free_extent_bytes{backend=gpu0,shmid=2}", 14 * page},
                         {"vhost_shmem_free_extents{backend=gpu0,shmid=0}", 2},
                         {"vhost_shmem_free_extents{backend=gpu0,shmid=2}", 1},
                         {"vhost_shmem_mappings{backend=gpu0,shmid=0}", 2},
                         {"vhost_shmem_mappings{backend=gpu0,shmid=2}", 1},
                         {"vhost_shmem_region_info{backend=gpu0,shmid=0,role=}", 1},
                         {"vhost_shmem_region_info{backend=gpu0,shmid=2,role=}", 1},
                         {"vhost_shmem_map_requests_total{backend=gpu0,shmid=0}", 3},
                         {"vhost_shmem_map_requests_total{backend=gpu0,shmid=2}", 1},
                         {"vhost_shmem_unmap_requests_total{backend=gpu0,shmid=0}", 1},
                         {"vhost_shmem_unmap_requests_total{backend=gpu0,shmid=2}", 0},
                         {"vhost_shmem_map_bytes_total{backend=gpu0,shmid=0}", 12 * page},
                         {"vhost_shmem_map_bytes_total{backend=gpu0,shmid=2}", 2 * page},
                         {"vhost_shmem_map_failures_total{backend=gpu0,shmid=0,reason=overlap}", 1},
                         {"vhost_shmem_unmap_failures_total{backend=gpu0,shmid=0,reason=partial}", 1},
                     }));
}

TEST_F(MetricsTest, EveryMetricOfTheConversation) {
  const auto gpu0 = Attach("gpu0");
  state::Cause closed;
  closed.reason = state::StateReason::kClosedByBackend;
  Publish(gpu0, {state::Connected{}, state::QueryDone{.duration_ns = 1'000'000, .failed = true},
                 state::Disconnected{BackendState::kDisconnected, closed}});
  Publish(gpu0, SessionOfTwoRegions());
  Publish(gpu0, Traffic());
  const Scrape scrape = Collect();
  for (const auto& [name, value] : Scrape{
           {"vhost_shmem_backend_up{backend=gpu0}", 1},
           {"vhost_shmem_backend_info{backend=gpu0,mode=frontend,shmem_feature_bit=22,num_regions_meaning="
            "COUNT}",
            1},
           {"vhost_shmem_backend_connects_total{backend=gpu0}", 2},
           {"vhost_shmem_backend_disconnects_total{backend=gpu0,reason=CLOSED_BY_BACKEND}", 1},
           {"vhost_shmem_backend_resets_total{backend=gpu0}", 0},
           {"vhost_shmem_config_queries_total{backend=gpu0}", 2},
           {"vhost_shmem_config_query_failures_total{backend=gpu0}", 1},
           {"vhost_shmem_config_query_duration_seconds_count{backend=gpu0}", 2},
           {"vhost_shmem_config_query_duration_seconds_sum{backend=gpu0}", 0.003},
           {"vhost_shmem_map_duration_seconds_count{backend=gpu0}", 3},
           {"vhost_shmem_map_duration_seconds_sum{backend=gpu0}", 3e-6},
           {"vhost_shmem_findings{backend=gpu0,severity=error,code=BEYOND_EOF}", 1},
       }) {
    EXPECT_THAT(scrape, Contains(Pair(name, testing::DoubleEq(value))));
  }
}

// A rate misses what a series begins with, so each way to end is there before it happens.
TEST_F(MetricsTest, DisconnectsAreCountedFromZero) {
  const auto gpu0 = Attach("gpu0");
  const auto vm0 = Attach("vm0", state::Mode::kRelay);
  Publish(vm0, {state::Connected{}, Mapped(1, 0, kPage)});
  const Scrape before = Collect();
  const Scrape frontend = Starting(before, "vhost_shmem_backend_disconnects_total{backend=gpu0,");
  EXPECT_EQ(frontend.size(), 10u);
  for (const auto& [name, value] : frontend) EXPECT_EQ(value, 0) << name;
  EXPECT_EQ(before.at("vhost_shmem_backend_disconnects_total{backend=vm0,reason=CLOSED_BY_FRONTEND}"), 0);
  EXPECT_EQ(before.at("vhost_shmem_map_failures_total{backend=vm0,shmid=1,reason=refused}"), 0);
  EXPECT_EQ(before.at("vhost_shmem_unmap_failures_total{backend=vm0,shmid=1,reason=refused}"), 0);

  state::Cause rare;
  rare.reason = state::StateReason::kShmemNotOffered;
  state::Cause usual;
  usual.reason = state::StateReason::kReplyTimeout;
  Publish(gpu0, {state::Connected{}, state::Disconnected{BackendState::kFailed, rare}, state::Connected{},
                 state::Disconnected{BackendState::kFailed, usual}});
  const Scrape after = Starting(Collect(), "vhost_shmem_backend_disconnects_total{backend=gpu0,");
  EXPECT_EQ(after.size(), 11u);
  EXPECT_EQ(after.at("vhost_shmem_backend_disconnects_total{backend=gpu0,reason=REPLY_TIMEOUT}"), 1);
  EXPECT_EQ(after.at("vhost_shmem_backend_disconnects_total{backend=gpu0,reason=SHMEM_NOT_OFFERED}"), 1);
}

TEST_F(MetricsTest, TheStateIsOneHot) {
  const auto gpu0 = Attach("gpu0");
  for (int wanted = 0; wanted < state::kBackendStateCount; ++wanted) {
    const auto wanted_state = static_cast<BackendState>(wanted);
    Publish(gpu0, {state::StateChanged{wanted_state, {}}});
    const Scrape states = Starting(Collect(), "vhost_shmem_backend_state{");
    EXPECT_EQ(states.size(), static_cast<size_t>(state::kBackendStateCount));
    for (const auto& [name, value] : states) {
      const std::string hot = std::string("vhost_shmem_backend_state{backend=gpu0,state=") +
                              state::BackendStateName(wanted_state) + "}";
      EXPECT_EQ(value, name == hot ? 1 : 0) << name << " while " << hot;
    }
  }
}

TEST_F(MetricsTest, UpMeansActiveOrProbed) {
  const auto gpu0 = Attach("gpu0");
  for (int i = 0; i < state::kBackendStateCount; ++i) {
    const auto state = static_cast<BackendState>(i);
    Publish(gpu0, {state::StateChanged{state, {}}});
    const bool up = state == BackendState::kActive || state == BackendState::kProbed;
    EXPECT_EQ(Collect().at("vhost_shmem_backend_up{backend=gpu0}"), up ? 1 : 0)
        << state::BackendStateName(state);
  }
}

TEST_F(MetricsTest, ADisconnectedBackendIsDownMapsNothingAndKeepsItsSizesAndCounters) {
  const auto gpu0 = Attach("gpu0");
  Publish(gpu0, SessionOfTwoRegions());
  Publish(gpu0, Traffic());
  Publish(gpu0, {state::Disconnected{BackendState::kDisconnected, {}}});
  const Scrape scrape = Collect();
  const double page = kPage;
  for (const auto& [name, value] : Scrape{
           {"vhost_shmem_backend_up{backend=gpu0}", 0},
           {"vhost_shmem_backend_state{backend=gpu0,state=DISCONNECTED}", 1},
           {"vhost_shmem_mapped_bytes{backend=gpu0,shmid=0}", 0},
           {"vhost_shmem_mappings{backend=gpu0,shmid=0}", 0},
           {"vhost_shmem_mapped_bytes{backend=gpu0,shmid=2}", 0},
           {"vhost_shmem_region_size_bytes{backend=gpu0,shmid=0}", 64 * page},
           {"vhost_shmem_largest_free_extent_bytes{backend=gpu0,shmid=0}", 64 * page},
           {"vhost_shmem_map_requests_total{backend=gpu0,shmid=0}", 3},
       }) {
    EXPECT_THAT(scrape, Contains(Pair(name, value)));
  }
}

TEST_F(MetricsTest, BehindARelayALostBackendsMappingsBecomeStale) {
  const auto vm0 = Attach("vm0", state::Mode::kRelay);
  Publish(vm0, {state::Connected{}, state::StateChanged{BackendState::kActive, {}}, Mapped(1, 0, 4 * kPage),
                state::Disconnected{BackendState::kDisconnected, {}}});
  const Scrape scrape = Collect();
  EXPECT_EQ(scrape.at("vhost_shmem_mapped_bytes{backend=vm0,shmid=1}"), 0);
  EXPECT_EQ(scrape.at("vhost_shmem_stale_bytes{backend=vm0,shmid=1}"), 4 * kPage);
  EXPECT_EQ(scrape.at("vhost_shmem_at_risk_bytes{backend=vm0,shmid=1}"), 4 * kPage);
}

TEST_F(MetricsTest, ARegionOfUnknownSizeHasNoSizeAndNoHoles) {
  const auto vm0 = Attach("vm0", state::Mode::kRelay);
  PublishActive(vm0);
  Publish(vm0, {Mapped(1, 0, kPage)});
  const Scrape scrape = Collect();
  EXPECT_EQ(scrape.at("vhost_shmem_mapped_bytes{backend=vm0,shmid=1}"), kPage);
  for (const char* absent : {"vhost_shmem_region_size_bytes", "vhost_shmem_largest_free_extent_bytes",
                             "vhost_shmem_free_extents"}) {
    EXPECT_THAT(Starting(scrape, absent), IsEmpty());
  }
}

TEST_F(MetricsTest, ARelaysTrafficByChannelAndSender) {
  const auto vm0 = Attach("vm0", state::Mode::kRelay);
  PublishActive(vm0);
  state::TrafficCounted counted;
  counted.traffic[0][0] = {11, 1100, 3, 1};
  counted.traffic[0][1] = {10, 900, 0, 0};
  counted.traffic[1][0] = {4, 80, 0, 0};
  counted.traffic[1][1] = {5, 260, 5, 2};
  state::ForwardsTimed timed;
  timed.durations.Observe(3'000);
  timed.durations.Observe(5'000);
  Publish(vm0, {counted, timed, state::GuardActed{state::FindingCode::kGuardDropped},
                state::GuardActed{state::FindingCode::kGuardDropped},
                state::GuardActed{state::FindingCode::kGuardRefused}});
  Scrape relay = Starting(Collect(), "vhost_relay_");
  const std::string seconds = "vhost_relay_forward_duration_seconds_sum{backend=vm0}";
  EXPECT_DOUBLE_EQ(relay[seconds], 8e-6);
  relay.erase(seconds);
  EXPECT_EQ(relay, (Scrape{
                       {"vhost_relay_messages_total{backend=vm0,channel=main,sender=frontend}", 11},
                       {"vhost_relay_messages_total{backend=vm0,channel=main,sender=backend}", 10},
                       {"vhost_relay_messages_total{backend=vm0,channel=backend,sender=frontend}", 4},
                       {"vhost_relay_messages_total{backend=vm0,channel=backend,sender=backend}", 5},
                       {"vhost_relay_bytes_total{backend=vm0,channel=main,sender=frontend}", 1100},
                       {"vhost_relay_bytes_total{backend=vm0,channel=main,sender=backend}", 900},
                       {"vhost_relay_bytes_total{backend=vm0,channel=backend,sender=frontend}", 80},
                       {"vhost_relay_bytes_total{backend=vm0,channel=backend,sender=backend}", 260},
                       {"vhost_relay_fds_total{backend=vm0,channel=main,sender=frontend}", 3},
                       {"vhost_relay_fds_total{backend=vm0,channel=main,sender=backend}", 0},
                       {"vhost_relay_fds_total{backend=vm0,channel=backend,sender=frontend}", 0},
                       {"vhost_relay_fds_total{backend=vm0,channel=backend,sender=backend}", 5},
                       {"vhost_relay_decode_errors_total{backend=vm0,channel=main,sender=frontend}", 1},
                       {"vhost_relay_decode_errors_total{backend=vm0,channel=main,sender=backend}", 0},
                       {"vhost_relay_decode_errors_total{backend=vm0,channel=backend,sender=frontend}", 0},
                       {"vhost_relay_decode_errors_total{backend=vm0,channel=backend,sender=backend}", 2},
                       {"vhost_relay_forward_duration_seconds_count{backend=vm0}", 2},
                       {"vhost_relay_guard_actions_total{backend=vm0,code=GUARD_REFUSED}", 1},
                       {"vhost_relay_guard_actions_total{backend=vm0,code=GUARD_DROPPED}", 2},
                   }));
}

TEST_F(MetricsTest, OnlyARelayHasRelayMetrics) {
  PublishActive(Attach("gpu0"));
  PublishActive(Attach("cam0", state::Mode::kProbe));
  EXPECT_THAT(Starting(Collect(), "vhost_relay_"), IsEmpty());
}

TEST_F(MetricsTest, ARelayCountsResetsAndWhatTheVmmRefused) {
  const auto vm0 = Attach("vm0", state::Mode::kRelay);
  PublishActive(vm0);
  const state::MapSettled refused = Failed(Mapped(1, 0, kPage), state::RequestFailure::kRefused);
  Publish(vm0, {state::MapRequested{refused.request}, refused, state::DeviceReset{.suspected = true},
                state::DeviceReset{}});
  const Scrape scrape = Collect();
  EXPECT_EQ(scrape.at("vhost_shmem_map_failures_total{backend=vm0,shmid=1,reason=refused}"), 1);
  EXPECT_EQ(scrape.at("vhost_shmem_backend_resets_total{backend=vm0}"), 2);
}

TEST_F(MetricsTest, ADetachedBackendLeavesNoSeries) {
  const auto gpu0 = Attach("gpu0");
  const auto gpu1 = Attach("gpu1");
  Publish(gpu0, SessionOfTwoRegions());
  Publish(gpu0, Traffic());
  PublishActive(gpu1);
  EXPECT_THAT(Collect(), Contains(Key(testing::HasSubstr("backend=gpu0"))));
  publisher_.Detach(gpu0);
  EXPECT_THAT(Collect(), AllOf(Not(Contains(Key(testing::HasSubstr("backend=gpu0")))),
                               Contains(Key(testing::HasSubstr("backend=gpu1")))));
  publisher_.Detach(gpu1);
  EXPECT_THAT(Collect(), IsEmpty());
}

TEST_F(MetricsTest, AClosedFindingIsNotCounted) {
  const auto gpu0 = Attach("gpu0");
  Publish(gpu0, SessionOfTwoRegions());
  Publish(gpu0, Traffic());
  EXPECT_THAT(Starting(Collect(), "vhost_shmem_findings{"), Contains(Key(testing::HasSubstr("BEYOND_EOF"))));
  Publish(gpu0, {Unmapped(2, 0, 2 * kPage)});
  EXPECT_THAT(Starting(Collect(), "vhost_shmem_findings{"),
              Not(Contains(Key(testing::HasSubstr("BEYOND_EOF")))));
}

TEST_F(MetricsTest, HistogramBucketsAreCumulativeAndEndAtInfinity) {
  const auto gpu0 = Attach("gpu0");
  for (const int64_t ns : {int64_t{900}, int64_t{3000}, int64_t{3000}, int64_t{60'000'000'000}}) {
    Publish(gpu0, {state::QueryDone{.duration_ns = ns, .failed = false}});
  }
  EXPECT_TRUE(feed::CatchUp(publisher_, queue_, hub_));
  for (const auto& family : BackendCollectable(hub_).Collect()) {
    if (family.name != "vhost_shmem_config_query_duration_seconds") continue;
    const auto& histogram = family.metric.at(0).histogram;
    EXPECT_DOUBLE_EQ(histogram.bucket.at(0).upper_bound, 1e-6);
    EXPECT_EQ(histogram.bucket.at(0).cumulative_count, 1u);
    EXPECT_EQ(histogram.bucket.at(1).cumulative_count, 3u);
    EXPECT_EQ(histogram.bucket.at(histogram.bucket.size() - 2).cumulative_count, 3u);
    EXPECT_TRUE(std::isinf(histogram.bucket.back().upper_bound));
    EXPECT_EQ(histogram.bucket.back().cumulative_count, 4u);
    EXPECT_EQ(histogram.sample_count, 4u);
    return;
  }
  FAIL() << "no query durations";
}

TEST_F(MetricsTest, TheProcessTellsOfItself) {
  const auto expiries = [] { return std::vector<ProcessCollectable::Expiry>{{"client_ca", 1.8e9}}; };
  ProcessCollectable process("1.2.3", hub_, {[] { return size_t{7}; }, expiries});
  process.SetScrapeDuration(0.25);
  const Scrape scrape = ScrapeOf(process.Collect());
  EXPECT_EQ(scrape.at("shmemd_build_info{version=1.2.3}"), 1);
  EXPECT_EQ(scrape.at("shmemd_scrape_duration_seconds"), 0.25);
  EXPECT_EQ(scrape.at("shmemd_events_dropped_total"), 0);
  EXPECT_EQ(scrape.at("shmemd_watchers"), 7);
  EXPECT_EQ(scrape.at("shmemd_certificate_expiry_timestamp_seconds{file=client_ca}"), 1.8e9);
  EXPECT_NEAR(scrape.at("process_start_time_seconds"), static_cast<double>(base::WallNanos()) / 1e9, 60);
  for (const char* name :
       {"process_cpu_seconds_total", "process_resident_memory_bytes", "process_virtual_memory_bytes",
        "process_open_fds", "process_max_fds", "process_threads"}) {
    EXPECT_THAT(scrape, Contains(Pair(name, Gt(0)))) << name;
  }
  EXPECT_GE(scrape.at("process_threads"), 2) << "the hub has a thread";
}

TEST_F(MetricsTest, WhatDidNotFitIntoAQueueIsCounted) {
  const auto gpu0 = Attach("gpu0");
  hub_.Stop();
  for (size_t i = 0; i < queue_.capacity() + 10; ++i) Publish(gpu0, {state::PeaksReset{}});
  EXPECT_GE(ScrapeOf(ProcessCollectable("1", hub_).Collect()).at("shmemd_events_dropped_total"), 10);
}

}  // namespace
}  // namespace shmemd::metrics
