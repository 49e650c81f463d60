#include "client/print/rates.h"

#include <gmock/gmock.h>
#include <google/protobuf/text_format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "client/print/top_printer.h"
#include "tests/client/golden_file.h"

namespace shmemd::client {
namespace {

namespace v1 = ::vhost::shmem::v1;

using std::chrono::milliseconds;

// gpu0 with one region; `counts`: maps, unmaps, bytes, failures.
struct Counts {
  int64_t maps = 0;
  int64_t unmaps = 0;
  int64_t bytes = 0;
  int64_t failures = 0;
};

RateLook LookAt(milliseconds when, const Counts& counts, const std::string& uid = "1",
                int64_t started = 100) {
  RateLook look;
  look.time = std::chrono::steady_clock::time_point(std::chrono::hours(1) + when);
  look.info.mutable_start_time()->set_seconds(started);
  v1::Backend* backend = look.backends.add_backends();
  backend->set_name("backends/gpu0");
  backend->set_uid(uid);
  v1::Region* region = look.regions.add_regions();
  region->set_name("backends/gpu0/regions/2");
  region->set_shmid(2);
  region->set_size_bytes(1 << 20);
  region->set_mapped_bytes(1 << 19);
  region->set_map_request_count(counts.maps);
  region->set_unmap_request_count(counts.unmaps);
  region->set_map_bytes_total(counts.bytes);
  region->set_map_failure_count(counts.failures);
  return look;
}

void AddAck(RateLook* look, int64_t revision, int32_t nanos) {
  v1::Event* event = look->events.add_events();
  event->set_revision(revision);
  event->set_backend("backends/gpu0");
  event->set_shmid(2);
  event->mutable_event_time()->set_seconds(revision);
  event->mutable_latency()->set_nanos(nanos);
  look->info.set_revision(std::max(look->info.revision(), revision));
}

TEST(RateMeter, NothingIsKnownAfterOneLook) {
  RateMeter meter;
  const auto rates = meter.Take(LookAt(milliseconds(0), {.maps = 1000, .bytes = 4096}));
  ASSERT_EQ(rates.size(), 1U);
  EXPECT_FALSE(rates[0].maps.has_value());
  EXPECT_FALSE(meter.interval().has_value());
}

TEST(RateMeter, RatesAreDifferencesByTheTimeBetweenTheLooks) {
  RateMeter meter;
  meter.Take(LookAt(milliseconds(0), {.maps = 1000, .unmaps = 5, .bytes = 4096, .failures = 1}));
  const auto rates =
      meter.Take(LookAt(milliseconds(500), {.maps = 1010, .unmaps = 5, .bytes = 8192, .failures = 2}));
  EXPECT_DOUBLE_EQ(rates.at(0).maps.value_or(-1), 20);
  EXPECT_DOUBLE_EQ(rates.at(0).unmaps.value_or(-1), 0);
  EXPECT_DOUBLE_EQ(rates.at(0).map_bytes.value_or(-1), 8192);
  EXPECT_DOUBLE_EQ(rates.at(0).failures.value_or(-1), 2);
  EXPECT_DOUBLE_EQ(meter.interval().value_or(-1), 0.5);
}

TEST(RateMeter, AnotherAttachmentBeginsAnew) {
  RateMeter meter;
  meter.Take(LookAt(milliseconds(0), {.maps = 10}));
  EXPECT_FALSE(meter.Take(LookAt(milliseconds(1000), {.maps = 5000}, "2")).at(0).maps.has_value());
  EXPECT_DOUBLE_EQ(meter.Take(LookAt(milliseconds(2000), {.maps = 5001}, "2")).at(0).maps.value_or(-1), 1);
}

TEST(RateMeter, CountsThatFellBeginAnew) {
  RateMeter meter;
  meter.Take(LookAt(milliseconds(0), {.maps = 10, .bytes = 4096}));
  const auto rates = meter.Take(LookAt(milliseconds(1000), {.maps = 12, .bytes = 0}));
  EXPECT_FALSE(rates.at(0).maps.has_value());
  EXPECT_FALSE(rates.at(0).map_bytes.has_value());
}

TEST(RateMeter, AShmemdThatWasStartedAnewBeginsAnew) {
  RateMeter meter;
  meter.Take(LookAt(milliseconds(0), {.maps = 10}));
  const auto rates = meter.Take(LookAt(milliseconds(1000), {.maps = 90'000}, "1", 200));
  EXPECT_FALSE(rates.at(0).maps.has_value());
  EXPECT_FALSE(meter.interval().has_value());
}

TEST(RateMeter, ARegionThatComesBackHasNoRateAtFirst) {
  RateMeter meter;
  meter.Take(LookAt(milliseconds(0), {.maps = 10}));
  RateLook gone = LookAt(milliseconds(1000), {});
  gone.regions.clear_regions();
  EXPECT_TRUE(meter.Take(gone).empty());
  EXPECT_FALSE(meter.Take(LookAt(milliseconds(2000), {.maps = 99'999})).at(0).maps.has_value());
}

TEST(RateMeter, TwoLooksAtOnceHaveNoRate) {
  RateMeter meter;
  meter.Take(LookAt(milliseconds(0), {.maps = 10}));
  EXPECT_FALSE(meter.Take(LookAt(milliseconds(1), {.maps = 20})).at(0).maps.has_value());
}

TEST(RateMeter, AnswersCountOnceAndNotFromBeforeTheFirstLook) {
  RateMeter meter;
  RateLook first = LookAt(milliseconds(0), {});
  AddAck(&first, 7, 5'000'000);
  EXPECT_EQ(meter.Take(first).at(0).acks.count, 0);
  ASSERT_TRUE(meter.newest_event().has_value());
  EXPECT_EQ(meter.newest_event()->seconds(), 7);
  RateLook second = LookAt(milliseconds(1000), {});
  AddAck(&second, 7, 5'000'000);
  AddAck(&second, 8, 1000);
  AddAck(&second, 9, 3000);
  AddAck(&second, 10, 2000);
  const AckTimes acks = meter.Take(second).at(0).acks;
  EXPECT_EQ(acks.count, 3);
  EXPECT_EQ(acks.median_ns, 2000);
  EXPECT_EQ(acks.max_ns, 3000);
  EXPECT_EQ(meter.Take(second).at(0).acks.count, 0);
}

TEST(RateMeter, AClockThatIsSetBackHidesAnswersForOneLookAtMost) {
  RateMeter meter;
  RateLook first = LookAt(milliseconds(0), {.maps = 1});
  AddAck(&first, 7, 1000);
  meter.Take(first);
  // The answer came before the time that was asked for.
  const RateLook second = LookAt(milliseconds(1000), {.maps = 2});
  EXPECT_EQ(meter.Take(second).at(0).acks.count, 0);
  EXPECT_FALSE(meter.newest_event().has_value());
  RateLook third = LookAt(milliseconds(2000), {.maps = 3});
  AddAck(&third, 7, 1000);
  AddAck(&third, 8, 2000);
  third.events.mutable_events(1)->mutable_event_time()->set_seconds(3);
  EXPECT_EQ(meter.Take(third).at(0).acks.count, 1);
  EXPECT_EQ(meter.newest_event()->seconds(), 3);
}

RegionRate Rate(const std::string& backend, int shmid, std::optional<double> maps, int64_t mapped) {
  RegionRate rate;
  rate.region.set_name("backends/" + backend + "/regions/" + std::to_string(shmid));
  rate.region.set_shmid(shmid);
  rate.region.set_size_bytes(1 << 20);
  rate.region.set_mapped_bytes(mapped);
  rate.maps = maps;
  return rate;
}

TEST(SortRates, MostFirstThenByNameAndUnknownLast) {
  const std::vector<RegionRate> all = {Rate("b", 10, 1, 5), Rate("b", 2, 1, 5), Rate("a", 0, std::nullopt, 9),
                                       Rate("c", 0, 3, 1)};
  const auto sorted = [&all](RateOrder order) {
    std::vector<const RegionRate*> rates;
    for (const RegionRate& rate : all) rates.push_back(&rate);
    SortRates(order, &rates);
    std::string names;
    for (const RegionRate* rate : rates) names += rate->region.name().substr(9, 1);
    return names;
  };
  EXPECT_EQ(sorted(RateOrder::kMaps), "cbba");
  EXPECT_EQ(sorted(RateOrder::kMapped), "abbc");
  EXPECT_EQ(sorted(RateOrder::kName), "abbc");
}

TEST(RenderTop, SumsBeyondTheEndStayThere) {
  const TopView view{.interval_seconds = std::nullopt,
                     .rates = {Rate("a", 0, std::nullopt, INT64_MAX), Rate("b", 0, std::nullopt, INT64_MAX)}};
  EXPECT_THAT(RenderTop(OnlyAnswer(view), RateOrder::kMaps, {}, 1),
              ::testing::StartsWith("2 regions, 8.0 EiB mapped"));
}

TEST(RenderTop, IsAsInTheGoldenFiles) {
  TopView view{.interval_seconds = 1.0,
               .rates = {Rate("gpu0", 2, 12.34, 1 << 19), Rate("gpu0", 5, 20'000, 1 << 20)}};
  view.rates[0].map_bytes = 123'456'789;
  view.rates[0].failures = 0.5;
  view.rates[0].acks = {.count = 3, .median_ns = 45'000, .max_ns = 1'200'000};
  view.rates[1].region.set_at_risk_bytes(4096);
  TopView other{.interval_seconds = 1.1, .rates = {Rate("fs0", 0, std::nullopt, 0)}};
  PrintStyle style{.terminal = {.width = 80, .utf8 = true, .color = false}};
  const std::string one = RenderTop(OnlyAnswer(view), RateOrder::kMaps, style, 1);
  const std::string two = RenderTop({{"vm1", &view}, {"vm2", &other}}, RateOrder::kMaps, style, 3);
  google::protobuf::Timestamp time;
  time.set_seconds(1'767'225'600);
  ExpectGolden("top_80.txt", one + "\n" + two + "\n" + TopToJson(view, RateOrder::kMaps, time));
}

}  // namespace
}  // namespace shmemd::client
