// watch_load_bench: watchers of two hundred relayed devices, while two thousand maps and unmaps a second
// pass. In turns: nothing passes (idle); 900 watchers read (reading); 900 read and 100 more do not (stalled).
// Printed: the round trip of one more device through the same relay, how old changes are when they reach the
// watchers that read, and the memory of shmemd. Then all thousand read, and in the end the copy of each, kept
// from its stream alone, is compared with what shmemd shows: a difference ends the program with 1.
//
// Delays mean something only while the cores that client and server share are not full: then lower the rate.
//
//   watch_load_bench [rounds] [seconds of each phase] [maps and unmaps a second]
#include <grpcpp/create_channel.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "tests/api/async_watcher.h"
#include "tests/bench/relay_wire.h"
#include "tests/bench/relayed_devices.h"

namespace shmemd::bench {
namespace {

constexpr size_t kDevices = 200;
constexpr size_t kWatchersEach = 5;
constexpr size_t kChannels = 20;
constexpr size_t kOneStalledOf = 10;
constexpr int kDefaultPerSecond = 2000;
constexpr size_t kSilentDevice = kDevices;  // whose round trip is measured, and which nobody watches
constexpr auto kBetweenTrips = std::chrono::microseconds(500);

double Percentile(std::vector<double>& values, double share) {
  if (values.empty()) return 0;
  const auto at = values.begin() + static_cast<ptrdiff_t>(share * static_cast<double>(values.size() - 1));
  std::nth_element(values.begin(), at, values.end());
  return *at;
}

double Median(std::vector<double> values) { return Percentile(values, 0.5); }

// `lookahead` bytes of an answer are taken before somebody reads it: what does not read must stall at once.
std::unique_ptr<api::v1::ShmemInspector::Stub> StubTo(const std::string& socket, int lookahead) {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  if (lookahead > 0) {
    arguments.SetInt(GRPC_ARG_HTTP2_STREAM_LOOKAHEAD_BYTES, lookahead);
    arguments.SetInt(GRPC_ARG_HTTP2_BDP_PROBE, 0);
  }
  return api::v1::ShmemInspector::NewStub(
      grpc::CreateCustomChannel("unix:" + socket, grpc::InsecureChannelCredentials(), arguments));
}

class Watchers {
 public:
  explicit Watchers(const std::string& socket) : all_(kDevices * kWatchersEach) {
    constexpr int kSmallWindow = 1024;
    for (size_t i = 0; i < kChannels; ++i) stubs_.push_back(StubTo(socket, 0));
    stalling_stub_ = StubTo(socket, kSmallWindow);
    for (size_t i = 0; i < all_.size(); ++i) {
      if (!IsOneOfTheHundred(i)) Begin(i, *stubs_[i % kChannels]);
    }
    AwaitSynced();
  }

  // The other hundred are there and read until they are synced; then they stall, or go on.
  void AddTheHundred(bool stall) {
    for (size_t i = 0; i < all_.size(); ++i) {
      if (IsOneOfTheHundred(i)) Begin(i, stall ? *stalling_stub_ : *stubs_[i % kChannels]);
    }
    AwaitSynced();
    for (size_t i = 0; i < all_.size(); ++i) {
      if (stall && IsOneOfTheHundred(i)) all_[i]->Pause();
    }
  }
  void RemoveTheHundred() {
    for (size_t i = 0; i < all_.size(); ++i) {
      if (IsOneOfTheHundred(i)) all_[i].reset();
    }
  }

  // Of the nine hundred, since the last call.
  std::vector<double> TakeDelaysMs() {
    std::vector<double> delays;
    for (size_t i = 0; i < all_.size(); ++i) {
      if (IsOneOfTheHundred(i)) continue;
      const std::vector<double> of_one = all_[i]->TakeDelaysMs();
      delays.insert(delays.end(), of_one.begin(), of_one.end());
    }
    return delays;
  }

  // How many copies of all thousand are not what shmemd shows, half a minute after the last change.
  size_t CountWrong() {
    std::vector<std::string> shown;
    for (size_t i = 0; i < kDevices; ++i) shown.push_back(api::StateOf(*stubs_[0], IdOf(i)));
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    size_t wrong = 0;
    for (size_t i = 0; i < all_.size(); ++i) {
      const std::string& expected = shown[i % kDevices];
      while (all_[i]->Text() != expected && std::chrono::steady_clock::now() < deadline) {
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
      }
      if (all_[i]->Text() == expected) continue;
      if (++wrong == 1) {
        std::printf("watcher %zu:\n%s\nshown:\n%s\n", i, all_[i]->Text().c_str(), expected.c_str());
      }
    }
    return wrong;
  }

 private:
  static std::string IdOf(size_t i) { return "b" + std::to_string(i % kDevices); }
  // Spread over all devices.
  static bool IsOneOfTheHundred(size_t i) { return (i + i / kDevices) % kOneStalledOf == 0; }

  void Begin(size_t i, api::v1::ShmemInspector::Stub& stub) {
    all_[i] = std::make_unique<api::AsyncWatcher>(stub, IdOf(i), false);
  }
  void AwaitSynced() {
    for (const auto& watcher : all_) {
      while (watcher != nullptr && !watcher->synced())
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  }

  std::vector<std::unique_ptr<api::v1::ShmemInspector::Stub>> stubs_;
  std::unique_ptr<api::v1::ShmemInspector::Stub> stalling_stub_;
  std::vector<std::unique_ptr<api::AsyncWatcher>> all_;
};

enum Phase { kIdle, kNeighbour, kReading, kStalled, kAll };
constexpr std::array<const char*, 5> kPhaseNames = {"idle", "neighbour", "reading", "stalled", "all"};

struct Figures {
  double round_trip_us = 0;
  double round_trip_p99_us = 0;
  double delay_ms = 0;
  double delay_p99_ms = 0;
  double passed_per_s = 0;
  double told = 0;
  double resident_mib = 0;
};

Figures Run(Phase phase, RelayedDevices& devices, Watchers& watchers, std::chrono::seconds time,
            int per_second) {
  if (phase == kStalled || phase == kAll) watchers.AddTheHundred(/*stall=*/phase == kStalled);
  watchers.TakeDelaysMs();
  std::atomic<bool> stop = false;
  size_t passed = 0;
  std::thread churn([&] {
    if (phase >= kReading) passed = devices.Churn(kDevices, per_second, stop);
    // On all cores but the first, as the calling thread.
    while (phase == kNeighbour && !stop.load(std::memory_order_relaxed)) {
    }
  });
  std::vector<double> trips;
  std::thread prober([&] {
    PinToTheFirstCore(0);
    while (!stop) {
      trips.push_back(devices.RoundTripMicros(kSilentDevice, kMapId, 0));
      devices.RoundTripMicros(kSilentDevice, kUnmapId, 0);
      std::this_thread::sleep_for(kBetweenTrips);
    }
  });
  std::this_thread::sleep_for(time);
  Figures figures;
  figures.resident_mib = devices.ResidentMiB();
  stop = true;
  churn.join();
  prober.join();
  std::vector<double> delays = watchers.TakeDelaysMs();
  if (phase == kStalled) watchers.RemoveTheHundred();
  figures.round_trip_us = Percentile(trips, 0.5);
  figures.round_trip_p99_us = Percentile(trips, 0.99);
  figures.delay_ms = Percentile(delays, 0.5);
  figures.delay_p99_ms = Percentile(delays, 0.99);
  figures.passed_per_s = static_cast<double>(passed) / static_cast<double>(time.count());
  figures.told = static_cast<double>(delays.size());
  return figures;
}

void PrintRow(int round, Phase phase, const Figures& figures) {
  std::printf("%5d %-9s %7.1f us %7.1f us %8.2f ms %8.2f ms %8.0f/s %9.0f %7.1f MiB\n", round,
              kPhaseNames[phase], figures.round_trip_us, figures.round_trip_p99_us, figures.delay_ms,
              figures.delay_p99_ms, figures.passed_per_s, figures.told, figures.resident_mib);
  std::fflush(stdout);
}

int Measure(int rounds, std::chrono::seconds time, int per_second) {
  RelayedDevices devices(kDevices + 1);
  const double before_mib = devices.ResidentMiB();
  Watchers watchers(devices.shmemd().api_socket());
  std::printf("%zu relayed devices, %d maps and unmaps a second; %d rounds of %lld s a phase\n", kDevices,
              per_second, rounds, static_cast<long long>(time.count()));
  std::printf("resident before watchers %.1f MiB, with them %.1f MiB\n", before_mib, devices.ResidentMiB());
  std::printf("round phase      trip p50   trip p99   delay p50   delay p99    passed      told  resident\n");
  std::map<std::string, std::vector<double>> ratios;
  for (int round = 0; round <= rounds; ++round) {  // the first one warms up
    std::array<Figures, kAll> figures;
    for (const Phase phase : {kIdle, kNeighbour, kReading, kStalled}) {
      figures[phase] = Run(phase, devices, watchers, time, per_second);
      PrintRow(round, phase, figures[phase]);
    }
    if (round == 0) continue;
    ratios["round trip, neighbour / idle"].push_back(figures[kNeighbour].round_trip_us /
                                                     figures[kIdle].round_trip_us);
    ratios["round trip, reading / idle"].push_back(figures[kReading].round_trip_us /
                                                   figures[kIdle].round_trip_us);
    ratios["round trip, stalled / idle"].push_back(figures[kStalled].round_trip_us /
                                                   figures[kIdle].round_trip_us);
    ratios["median delay, stalled / reading"].push_back(figures[kStalled].delay_ms /
                                                        figures[kReading].delay_ms);
  }
  for (const auto& [name, values] : ratios) {
    std::printf("%-32s %.3f (%.3f to %.3f)\n", name.c_str(), Median(values),
                *std::min_element(values.begin(), values.end()),
                *std::max_element(values.begin(), values.end()));
  }
  PrintRow(rounds, kAll, Run(kAll, devices, watchers, time, per_second));
  const size_t wrong = watchers.CountWrong();
  std::printf("%zu of %zu copies differ from what shmemd shows\n", wrong, kDevices * kWatchersEach);
  return wrong == 0 ? 0 : 1;
}

}  // namespace
}  // namespace shmemd::bench

int main(int argc, char** argv) {
  const int rounds = argc > 1 ? std::atoi(argv[1]) : 5;
  const int seconds = argc > 2 ? std::atoi(argv[2]) : 4;
  const int per_second = argc > 3 ? std::atoi(argv[3]) : shmemd::bench::kDefaultPerSecond;
  if (rounds < 1 || seconds < 1 || per_second < 1) {
    std::fprintf(stderr,
                 "usage: watch_load_bench [rounds] [seconds of each phase] [maps and unmaps a second]\n");
    return 2;
  }
  return shmemd::bench::Measure(rounds, std::chrono::seconds(seconds), per_second);
}
