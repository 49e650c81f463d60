// Rates of regions as text and JSON. Pure functions.
#pragma once

#include <google/protobuf/timestamp.pb.h>

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "client/print/answered.h"
#include "client/print/rates.h"
#include "client/print/table.h"

namespace shmemd::client {

// One shmemd between two looks.
struct TopView {
  std::optional<double> interval_seconds;
  std::vector<RegionRate> rates;
};

// A line of sums, then a line for each region in that order. `asked`: how many endpoints were, of which these
// answered.
std::string RenderTop(const AnsweredList<TopView>& views, RateOrder order, const PrintStyle& style,
                      size_t asked);

// {"time", "intervalSeconds", "regions": [{"name", "shmid", "mapsPerSecond", "unmapsPerSecond",
// "mapBytesPerSecond", "failuresPerSecond", "sizeBytes", "mappedBytes", "atRiskBytes", "mappingCount",
// "ackCount", "ackMedianSeconds", "ackMaxSeconds"}]}; what is not known is left out.
std::string TopToJson(const TopView& view, RateOrder order, const google::protobuf::Timestamp& time);

}  // namespace shmemd::client
