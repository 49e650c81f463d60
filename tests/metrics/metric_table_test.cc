// The metric table keeps the conventions of Prometheus, and docs/metrics.md says what it says.
#include "server/metrics/metric_table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <string>
#include <string_view>

#include "tests/golden/reference_file.h"

namespace shmemd::metrics {
namespace {

using prometheus::MetricType;

std::string TypeWord(MetricType type) {
  return type == MetricType::Counter ? "counter" : type == MetricType::Gauge ? "gauge" : "histogram";
}

// Lower-case letters, digits and single underscores between them. No std::regex here nor elsewhere: GCC 12
// warns inside of it under the sanitizers.
bool IsName(std::string_view text) {
  return !text.empty() && text.front() >= 'a' && text.front() <= 'z' && text.back() != '_' &&
         text.find("__") == std::string_view::npos &&
         text.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_") == std::string_view::npos;
}

bool HasKnownPrefix(std::string_view name) {
  return name.starts_with("vhost_shmem_") || name.starts_with("vhost_relay_") ||
         name.starts_with("shmemd_") || name.starts_with("process_") || name.starts_with("grpc_server_");
}

TEST(MetricTable, NamesAreValidAndUnique) {
  std::set<std::string> names;
  for (const MetricRow& row : MetricTable()) {
    EXPECT_TRUE(IsName(row.name) && HasKnownPrefix(row.name)) << row.name;
    EXPECT_TRUE(names.insert(row.name).second) << row.name << " is there twice";
    for (const char* label : row.labels) {
      EXPECT_TRUE(label == nullptr || IsName(label)) << row.name << ": " << label;
    }
  }
}

TEST(MetricTable, OnlyCountersEndInTotal) {
  for (const MetricRow& row : MetricTable()) {
    EXPECT_EQ(std::string_view(row.name).ends_with("_total"), row.type == MetricType::Counter) << row.name;
  }
}

TEST(MetricTable, HelpIsASentence) {
  for (const MetricRow& row : MetricTable()) {
    const std::string_view help = row.help;
    EXPECT_GT(help.size(), 10u) << row.name;
    EXPECT_TRUE(help.ends_with('.')) << row.name << ": " << help;
  }
}

// In OpenMetrics a counter's family has no _total, and a histogram's name stands for three.
TEST(MetricTable, NoFamilyClashesWithAnother) {
  std::set<std::string> families;
  for (const MetricRow& row : MetricTable()) {
    std::string family = row.name;
    if (row.type == MetricType::Counter) family.resize(family.size() - std::string_view("_total").size());
    EXPECT_TRUE(families.insert(family).second) << "two families " << family;
  }
  for (const MetricRow& row : MetricTable()) {
    if (row.type != MetricType::Histogram) continue;
    for (const char* suffix : {"_count", "_sum", "_bucket"}) {
      EXPECT_EQ(families.count(std::string(row.name) + suffix), 0u) << row.name << suffix;
    }
  }
}

TEST(MetricTable, UnitsAreBaseUnitsAtTheEndOfTheName) {
  for (const MetricRow& row : MetricTable()) {
    std::string name = row.name;
    if (name.ends_with("_total")) name.resize(name.size() - 6);
    for (const char* other : {"_ms", "_ns", "_milliseconds", "_kb", "_mb", "_kilobytes"}) {
      EXPECT_FALSE(name.ends_with(other)) << row.name;
    }
    for (const char* unit : {"_bytes", "_seconds"}) {
      EXPECT_TRUE(name.find(unit) == std::string::npos || name.ends_with(unit)) << row.name;
    }
  }
}

TEST(MetricTable, TheReferenceIsTrue) {
  std::string table = "| Name | Type | Labels | Meaning |\n|---|---|---|---|\n";
  for (const MetricRow& row : MetricTable()) {
    std::string labels;
    for (const char* label : row.labels) {
      if (label != nullptr) labels.append(labels.empty() ? "" : ", ").append(label);
    }
    table.append("| `").append(row.name).append("` | ").append(TypeWord(row.type)).append(" | ");
    table.append(labels).append(" | ").append(row.help).append(" |\n");
  }
  docs::ExpectInReference("metrics.md", table);
}

}  // namespace
}  // namespace shmemd::metrics
