#include "client/print/top_printer.h"

#include <absl/strings/str_cat.h>
#include <absl/strings/str_format.h>

#include <algorithm>
#include <cstdint>
#include <utility>

#include "client/print/region_printer.h"
#include "client/print/resource_name.h"
#include "client/print/structured.h"
#include "client/print/text.h"
#include "client/print/units.h"

namespace shmemd::client {
namespace {

namespace v1 = ::vhost::shmem::v1;

using Fields = std::vector<std::pair<std::string, std::string>>;

constexpr char kUnknown[] = "-";

std::string FormatRate(const std::optional<double>& rate) {
  constexpr double kWhole = 99.95;
  if (!rate) return kUnknown;
  if (*rate == 0) return "0";
  return *rate < kWhole ? absl::StrFormat("%.1f", *rate) : absl::StrFormat("%.0f", *rate);
}

std::string FormatNanos(int64_t nanos) {
  google::protobuf::Duration duration;
  duration.set_seconds(nanos / 1'000'000'000);
  duration.set_nanos(static_cast<int32_t>(nanos % 1'000'000'000));
  return FormatDuration(duration);
}

Cell BytesRate(const std::optional<double>& rate, const PrintStyle& style) {
  return {rate ? FormatBytes(static_cast<int64_t>(*rate), style.bytes) : kUnknown};
}

std::vector<Cell> Cells(const RegionRate& rate, const PrintStyle& style) {
  const v1::Region& region = rate.region;
  const Color bad = rate.failures.value_or(0) > 0 ? Color::kRed : Color::kNone;
  return {ShortName(region.name()),
          FormatRate(rate.maps),
          FormatRate(rate.unmaps),
          BytesRate(rate.map_bytes, style),
          FormatBytes(region.mapped_bytes(), style.bytes),
          region.has_size_bytes() ? UsedCell(region.mapped_bytes(), region.size_bytes()) : Cell(kUnknown),
          Cell(FormatBytes(region.at_risk_bytes(), style.bytes),
               region.at_risk_bytes() > 0 ? Color::kRed : Color::kNone),
          Cell(FormatRate(rate.failures), bad),
          rate.acks.count > 0 ? FormatNanos(rate.acks.median_ns) : kUnknown,
          rate.acks.count > 0 ? FormatNanos(rate.acks.max_ns) : kUnknown};
}

// A sum beyond int64 stays at its end.
int64_t Sum(int64_t a, int64_t b) {
  int64_t sum = 0;
  return __builtin_add_overflow(a, b, &sum) ? INT64_MAX : sum;
}

std::string Endpoints(size_t answered, size_t asked) {
  if (asked < 2) return "";
  const std::string all = absl::StrCat(asked, " endpoints");
  return absl::StrCat(" of ", answered < asked ? absl::StrCat(answered, " of ") : "", all);
}

std::string Sums(const AnsweredList<TopView>& views, const PrintStyle& style, size_t asked) {
  double maps = 0;
  int64_t mapped = 0;
  size_t regions = 0;
  std::optional<double> interval;
  for (const auto& [endpoint, view] : views) {
    regions += view->rates.size();
    if (view->interval_seconds) interval = std::max(interval.value_or(0), *view->interval_seconds);
    for (const RegionRate& rate : view->rates) {
      maps += rate.maps.value_or(0);
      mapped = Sum(mapped, rate.region.mapped_bytes());
    }
  }
  std::string text = absl::StrCat(regions, regions == 1 ? " region" : " regions",
                                  Endpoints(views.size(), asked), ", ", FormatBytes(mapped), " mapped");
  if (interval)
    absl::StrAppend(&text, absl::StrFormat(", %s maps/s within %.1f s", FormatRate(maps), *interval));
  return Wrapped("", text, style.wide ? 0 : style.terminal.width);
}

std::string Number(double value) { return absl::StrFormat("%.9g", value); }

std::string RateToJson(const RegionRate& rate) {
  const v1::Region& region = rate.region;
  const auto bytes = [](int64_t value) { return JsonString(absl::StrCat(value)); };
  Fields fields = {{"name", JsonString(region.name())}, {"shmid", absl::StrCat(region.shmid())}};
  const auto add = [&fields](const char* name, const std::optional<double>& value) {
    if (value) fields.emplace_back(name, Number(*value));
  };
  add("mapsPerSecond", rate.maps);
  add("unmapsPerSecond", rate.unmaps);
  add("mapBytesPerSecond", rate.map_bytes);
  add("failuresPerSecond", rate.failures);
  if (region.has_size_bytes()) fields.emplace_back("sizeBytes", bytes(region.size_bytes()));
  fields.emplace_back("mappedBytes", bytes(region.mapped_bytes()));
  fields.emplace_back("atRiskBytes", bytes(region.at_risk_bytes()));
  fields.emplace_back("mappingCount", bytes(region.mapping_count()));
  fields.emplace_back("ackCount", bytes(rate.acks.count));
  if (rate.acks.count > 0) {
    add("ackMedianSeconds", static_cast<double>(rate.acks.median_ns) / 1e9);
    add("ackMaxSeconds", static_cast<double>(rate.acks.max_ns) / 1e9);
  }
  return JsonObject(fields);
}

}  // namespace

std::string RenderTop(const AnsweredList<TopView>& views, RateOrder order, const PrintStyle& style,
                      size_t asked) {
  std::vector<const RegionRate*> rates;
  std::map<const RegionRate*, const std::string*> endpoints;
  for (const auto& [endpoint, view] : views) {
    for (const RegionRate& rate : view->rates) {
      rates.push_back(&rate);
      endpoints[&rate] = &endpoint;
    }
  }
  SortRates(order, &rates);
  Table table({{"REGION", Align::kLeft, 8},
               {"MAPS/s", Align::kRight},
               {"UNMAPS/s", Align::kRight, 0, true},
               {"BYTES/s", Align::kRight},
               {"MAPPED", Align::kRight},
               {"USED", Align::kRight},
               {"AT RISK", Align::kRight},
               {"FAILED/s", Align::kRight},
               {"ACK", Align::kRight},
               {"ACK MAX", Align::kRight, 0, true}});
  for (const RegionRate* rate : rates) {
    table.SetEndpoint(*endpoints[rate]);
    table.AddRow(Cells(*rate, style));
  }
  std::string text = style.headers ? Sums(views, style, asked) : "";
  return rates.empty() ? text : absl::StrCat(text, style.headers ? "\n" : "", table.Render(style));
}

std::string TopToJson(const TopView& view, RateOrder order, const google::protobuf::Timestamp& time) {
  std::vector<const RegionRate*> sorted;
  sorted.reserve(view.rates.size());
  for (const RegionRate& rate : view.rates) sorted.push_back(&rate);
  SortRates(order, &sorted);
  std::vector<std::string> regions;
  regions.reserve(sorted.size());
  for (const RegionRate* rate : sorted) regions.push_back(RateToJson(*rate));
  Fields fields = {{"time", ToJson(time)}};
  if (view.interval_seconds) fields.emplace_back("intervalSeconds", Number(*view.interval_seconds));
  fields.emplace_back("regions", JsonArray(regions));
  return JsonObject(fields);
}

}  // namespace shmemd::client
