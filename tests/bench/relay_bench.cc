// relay_bench: what a relay adds to a back-end's SHMEM_MAP and SHMEM_UNMAP. See --help.
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "CLI/CLI.hpp"
#include "tests/bench/relay_variants.h"
#include "tests/bench/relay_wire.h"
#include "tests/peers/fd.h"

namespace shmemd::bench {
namespace {

using Clock = std::chrono::steady_clock;

struct Options {
  int rounds = 40;
  int iterations = 300;
  int flood = 3000;
  bool is_unpinned = false;
  std::string json_path;
};

// What one variant did in one round.
struct Round {
  double map_ns = 0;    // median round trip of a request with one descriptor
  double unmap_ns = 0;  // the same without
  double maps_per_s = 0;
  double unmaps_per_s = 0;
};

struct Metric {
  const char* name;
  const char* title;
  double Round::*value;
  bool is_rate;  // more is better
};

constexpr Metric kMetrics[] = {
    {"round_trip_fd", "round trip, one fd", &Round::map_ns, false},
    {"round_trip", "round trip, no fd", &Round::unmap_ns, false},
    {"one_way_fd", "one way, one fd each", &Round::maps_per_s, true},
    {"one_way", "one way, no fd", &Round::unmaps_per_s, true},
};

struct Spread {
  double median = 0;
  double min = 0;
  double max = 0;
};

Spread SpreadOf(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return {values[values.size() / 2], values.front(), values.back()};
}

double Median(const std::vector<double>& values) { return SpreadOf(values).median; }

class Device {
 public:
  Device(int socket, int file, const Options& options) : socket_(socket), file_(file), options_(options) {}

  Round Run() {
    Round round;
    RunRoundTrips(round);
    round.maps_per_s = Flood(kMapId);
    round.unmaps_per_s = Flood(kUnmapId);
    return round;
  }

 private:
  void Send(uint32_t id, bool need_reply, uint64_t shm_offset) {
    const Request request = MakeRequest(id, need_reply, shm_offset);
    const std::span<const int> fds(&file_, id == kMapId ? 1 : 0);
    if (!SendAll(socket_, request, fds)) Die("the relay is gone");
  }

  double RoundTrip(uint32_t id) {
    const auto start = Clock::now();
    Send(id, /*need_reply=*/true, 0);
    ReceiveAnswers(socket_, 1);
    return std::chrono::duration<double, std::nano>(Clock::now() - start).count();
  }

  // A buffer that comes and goes.
  void RunRoundTrips(Round& round) {
    std::vector<double> maps;
    std::vector<double> unmaps;
    for (int i = 0; i < options_.iterations; ++i) {
      maps.push_back(RoundTrip(kMapId));
      unmaps.push_back(RoundTrip(kUnmapId));
    }
    round.map_ns = Median(maps);
    round.unmap_ns = Median(unmaps);
  }

  // Many buffers, without answers but for the last.
  double Flood(uint32_t id) {
    const auto start = Clock::now();
    for (int i = 0; i < options_.flood; ++i) {
      Send(id, i == options_.flood - 1, static_cast<uint64_t>(i) * kMappingBytes);
    }
    ReceiveAnswers(socket_, 1);
    return options_.flood / std::chrono::duration<double>(Clock::now() - start).count();
  }

  const int socket_;
  const int file_;
  const Options& options_;
};

using Rounds = std::vector<Round>;  // of one variant
using Results = std::map<std::string, Rounds>;

Results RunRounds(const Variants& variants, const Options& options) {
  const peers::Fd file(::memfd_create("relay_bench", MFD_CLOEXEC));
  if (::ftruncate(file.get(), kMappingBytes) != 0) Die("ftruncate");
  Results results;
  for (int round = -1; round < options.rounds; ++round) {  // the first one warms up
    for (const Variant& variant : variants.all) {
      const Round done = Device(variant.device.get(), file.get(), options).Run();
      if (round >= 0) results[variant.name].push_back(done);
    }
  }
  return results;
}

// Per round, so that what slows the machine slows both sides.
Spread Ratio(const Rounds& rounds, const Rounds& base, const Metric& metric) {
  std::vector<double> ratios;
  for (size_t i = 0; i < rounds.size(); ++i)
    ratios.push_back(rounds[i].*metric.value / base[i].*metric.value);
  return SpreadOf(ratios);
}

Spread Values(const Rounds& rounds, const Metric& metric) {
  std::vector<double> values;
  for (const Round& round : rounds) values.push_back(round.*metric.value);
  return SpreadOf(values);
}

void PrintTables(const Variants& variants, const Results& results) {
  for (const Metric& metric : kMetrics) {
    std::printf("\n%-24s %12s   %-22s %-22s\n", metric.title, metric.is_rate ? "messages/s" : "us",
                "x direct (min-max)", "x epoll (min-max)");
    for (const Variant& variant : variants.all) {
      const Rounds& rounds = results.at(variant.name);
      const double value = Values(rounds, metric).median;
      const Spread direct = Ratio(rounds, results.at("direct"), metric);
      const Spread epoll = Ratio(rounds, results.at("epoll"), metric);
      std::printf("  %-22s %12.*f   %5.2f (%4.2f-%5.2f)     %5.2f (%4.2f-%5.2f)\n", variant.name.c_str(),
                  metric.is_rate ? 0 : 2, metric.is_rate ? value : value / 1000, direct.median, direct.min,
                  direct.max, epoll.median, epoll.min, epoll.max);
    }
  }
}

struct Goal {
  const char* what;
  const char* variant;
  const char* base;
  const Metric& metric;
  double good;
  double excellent;
};

constexpr Goal kGoals[] = {
    {"round trip, one fd, against direct", "shmemd", "direct", kMetrics[0], 3.0, 2.6},
    {"round trip, one fd, against epoll", "shmemd", "epoll", kMetrics[0], 1.20, 1.08},
    {"the same without the feed", "tracker", "epoll", kMetrics[0], 1.20, 1.08},
    {"one way, one fd, against epoll", "shmemd", "epoll", kMetrics[2], 0.75, 0.85},
    {"the same without the feed", "tracker", "epoll", kMetrics[2], 0.75, 0.85},
    {"tracking alone, round trip, one fd", "tracker", "pump", kMetrics[0], 1.05, 1.02},
};

const char* Judge(const Goal& goal, double ratio) {
  const auto reaches = [&](double limit) { return goal.metric.is_rate ? ratio >= limit : ratio <= limit; };
  if (reaches(goal.excellent)) return "excellent";
  return reaches(goal.good) ? "good" : "MISSED";
}

void PrintGoals(const Results& results) {
  std::printf("\n%-40s %-22s %-8s %-10s\n", "goal", "measured (min-max)", "good", "excellent");
  for (const Goal& goal : kGoals) {
    const Spread ratio = Ratio(results.at(goal.variant), results.at(goal.base), goal.metric);
    std::printf("  %-38s %5.2f (%4.2f-%5.2f)     %s %.2f  %s %.2f   %s\n", goal.what, ratio.median, ratio.min,
                ratio.max, goal.metric.is_rate ? ">=" : "<=", goal.good,
                goal.metric.is_rate ? ">=" : "<=", goal.excellent, Judge(goal, ratio.median));
  }
}

std::string JsonSpread(const char* key, const Spread& spread) {
  char text[160];
  std::snprintf(text, sizeof(text), "\"%s\": {\"median\": %.4f, \"min\": %.4f, \"max\": %.4f}", key,
                spread.median, spread.min, spread.max);
  return text;
}

void WriteJson(const std::string& path, const Variants& variants, const Results& results,
               const Options& options) {
  std::ofstream file(path);
  file << "{\"rounds\": " << options.rounds << ", \"iterations\": " << options.iterations
       << ", \"flood\": " << options.flood << ", \"pinned\": " << (options.is_unpinned ? "false" : "true")
       << ", \"results\": [";
  const char* separator = "\n  ";
  for (const Metric& metric : kMetrics) {
    for (const Variant& variant : variants.all) {
      const Rounds& rounds = results.at(variant.name);
      file << separator << "{\"metric\": \"" << metric.name << "\", \"variant\": \"" << variant.name << "\", "
           << JsonSpread(metric.is_rate ? "messages_per_s" : "ns", Values(rounds, metric)) << ", "
           << JsonSpread("x_direct", Ratio(rounds, results.at("direct"), metric)) << ", "
           << JsonSpread("x_epoll", Ratio(rounds, results.at("epoll"), metric)) << "}";
      separator = ",\n  ";
    }
  }
  file << "\n]}\n";
  if (!file.flush()) Die(path.c_str());
}

int Main(int argc, char** argv) {
  CLI::App app(
      "Measures what a relay adds to a back-end's SHMEM_MAP (52 bytes, one descriptor) and SHMEM_UNMAP with\n"
      "their answers: round trips, and messages a second one way. All variants take turns on one core; each\n"
      "round gives ratios, of which the median, least and greatest are printed.");
  Options options;
  app.add_option("--rounds", options.rounds, "At least 30 for figures that repeat")
      ->check(CLI::Range(1, 100000))
      ->capture_default_str();
  app.add_option("--iterations", options.iterations, "Round trips in a round")
      ->check(CLI::Range(1, 1000000))
      ->capture_default_str();
  app.add_option("--flood", options.flood, "One-way messages in a round")
      ->check(CLI::Range(1, 200000))
      ->capture_default_str();
  app.add_flag("--unpinned", options.is_unpinned,
               "Let the kernel place the processes; such figures do not repeat");
  app.add_option("--json", options.json_path, "Write the figures to this file too")->type_name("FILE");
  CLI11_PARSE(app, argc, argv);

  const Variants variants = StartVariants(!options.is_unpinned);
  const Results results = RunRounds(variants, options);
  std::printf("%d rounds of %d round trips and %d messages one way, %s\n", options.rounds, options.iterations,
              options.flood, options.is_unpinned ? "not pinned" : "all on one core");
  for (const Variant& variant : variants.all)
    std::printf("  %-10s %s\n", variant.name.c_str(), variant.what.c_str());
  PrintTables(variants, results);
  PrintGoals(results);
  if (!options.json_path.empty()) WriteJson(options.json_path, variants, results, options);
  return 0;
}

}  // namespace
}  // namespace shmemd::bench

int main(int argc, char** argv) { return shmemd::bench::Main(argc, argv); }
