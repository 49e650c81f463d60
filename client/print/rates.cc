#include "client/print/rates.h"

#include <absl/strings/str_cat.h>

#include <algorithm>
#include <utility>

#include "client/print/resource_name.h"

namespace shmemd::client {
namespace {

namespace v1 = ::vhost::shmem::v1;

// A shorter one says nothing: counts are shown a few milliseconds late.
constexpr double kLeastSeconds = 0.01;

AckTimes TimesOf(std::vector<int64_t> latencies) {
  AckTimes times{.count = static_cast<int64_t>(latencies.size())};
  if (latencies.empty()) return times;
  const auto middle = latencies.begin() + static_cast<std::ptrdiff_t>(latencies.size() / 2);
  std::nth_element(latencies.begin(), middle, latencies.end());
  times.median_ns = *middle;
  times.max_ns = *std::max_element(middle, latencies.end());
  return times;
}

// Somebody else's number: a year is enough for an answer.
int64_t NanosOf(const google::protobuf::Duration& duration) {
  constexpr int64_t kMostSeconds = 366LL * 24 * 3600;
  return std::clamp<int64_t>(duration.seconds(), 0, kMostSeconds) * 1'000'000'000 +
         std::clamp(duration.nanos(), 0, 999'999'999);
}

double Value(const std::optional<double>& rate) { return rate.value_or(-1); }

double UsedShare(const v1::Region& region) {
  if (region.size_bytes() <= 0) return -1;
  return static_cast<double>(region.mapped_bytes()) / static_cast<double>(region.size_bytes());
}

double KeyOf(const RegionRate& rate, RateOrder order) {
  switch (order) {
    case RateOrder::kMaps:
      return Value(rate.maps);
    case RateOrder::kUnmaps:
      return Value(rate.unmaps);
    case RateOrder::kBytes:
      return Value(rate.map_bytes);
    case RateOrder::kMapped:
      return static_cast<double>(rate.region.mapped_bytes());
    case RateOrder::kUsed:
      return UsedShare(rate.region);
    case RateOrder::kAtRisk:
      return static_cast<double>(rate.region.at_risk_bytes());
    case RateOrder::kFailures:
      return Value(rate.failures);
    case RateOrder::kLatency:
      return rate.acks.count == 0 ? -1 : static_cast<double>(rate.acks.median_ns);
    case RateOrder::kName:
      return 0;
  }
  return 0;
}

// By back-end, then by number.
std::pair<std::string, int> NameKey(const v1::Region& region) {
  return {BackendId(region.name()), region.shmid()};
}

}  // namespace

RateMeter::Counts RateMeter::CountsOf(const v1::Region& region, const std::string& uid) {
  return {.uid = uid,
          .maps = region.map_request_count(),
          .unmaps = region.unmap_request_count(),
          .map_bytes = region.map_bytes_total(),
          .failures = region.map_failure_count() + region.unmap_failure_count()};
}

void RateMeter::AddRates(const Counts& now, RegionRate* rate) const {
  const auto found = before_.find(rate->region.name());
  if (found == before_.end() || !interval_ || *interval_ < kLeastSeconds) return;
  const Counts& before = found->second;
  const bool anew = now.uid != before.uid || now.maps < before.maps || now.unmaps < before.unmaps ||
                    now.map_bytes < before.map_bytes || now.failures < before.failures;
  if (anew) return;
  const auto per_second = [this](int64_t from, int64_t to) {
    return static_cast<double>(to - from) / *interval_;
  };
  rate->maps = per_second(before.maps, now.maps);
  rate->unmaps = per_second(before.unmaps, now.unmaps);
  rate->map_bytes = per_second(before.map_bytes, now.map_bytes);
  rate->failures = per_second(before.failures, now.failures);
}

std::map<std::string, AckTimes> RateMeter::TakeEvents(const RateLook& look) {
  // What happened before the first look belongs to no interval.
  const int64_t from = interval_ ? revision_ : std::max(look.info.revision(), revision_);
  std::map<std::string, std::vector<int64_t>> latencies;
  for (const v1::Event& event : look.events.events()) {
    newest_event_ = event.event_time();
    revision_ = std::max(revision_, event.revision());
    if (event.revision() <= from || !event.has_latency() || !event.has_shmid()) continue;
    latencies[absl::StrCat(event.backend(), "/regions/", event.shmid())].push_back(NanosOf(event.latency()));
  }
  revision_ = std::max(revision_, from);
  std::map<std::string, AckTimes> times;
  for (auto& [name, list] : latencies) times[name] = TimesOf(std::move(list));
  return times;
}

std::vector<RegionRate> RateMeter::Take(const RateLook& look) {
  const std::string server = look.info.start_time().SerializeAsString();
  if (server != server_) *this = RateMeter();
  interval_.reset();
  if (!server_.empty()) interval_ = std::chrono::duration<double>(look.time - time_).count();
  server_ = server;
  time_ = look.time;
  const int64_t revision_before = revision_;
  const std::map<std::string, AckTimes> acks = TakeEvents(look);
  std::map<std::string, std::string> uids;
  for (const v1::Backend& backend : look.backends.backends()) uids[BackendId(backend.name())] = backend.uid();
  std::vector<RegionRate> rates;
  std::map<std::string, Counts> counts;
  for (const v1::Region& region : look.regions.regions()) {
    RegionRate& rate = rates.emplace_back();
    rate.region = region;
    if (const auto found = acks.find(region.name()); found != acks.end()) rate.acks = found->second;
    const Counts& now = counts[region.name()] = CountsOf(region, uids[BackendId(region.name())]);
    AddRates(now, &rate);
  }
  before_ = std::move(counts);
  // Requests came, and no event of theirs did: the server's clock was set back. Then all are asked for.
  const bool busy = std::any_of(rates.begin(), rates.end(), [](const RegionRate& rate) {
    return rate.maps.value_or(0) > 0 || rate.unmaps.value_or(0) > 0;
  });
  if (busy && revision_ == revision_before) newest_event_.reset();
  return rates;
}

void SortRates(RateOrder order, std::vector<const RegionRate*>* rates) {
  std::stable_sort(rates->begin(), rates->end(), [order](const RegionRate* a, const RegionRate* b) {
    const double left = KeyOf(*a, order);
    const double right = KeyOf(*b, order);
    return left != right ? left > right : NameKey(a->region) < NameKey(b->region);
  });
}

}  // namespace shmemd::client
