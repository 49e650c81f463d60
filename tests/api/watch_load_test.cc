// A thousand watchers of two hundred back-ends, some of which never read: every copy is equal to the server's
// table in the end, and those that do not read cost a bounded amount of memory.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "server/feed/hub.h"
#include "server/feed/publisher.h"
#include "tests/api/async_watcher.h"
#include "tests/api/watch_copy.h"

namespace shmemd::api {
namespace {

constexpr int kBackends = 200;
constexpr int kWatchersEach = 5;
constexpr int kChannels = 20;
constexpr int kEventsPerSecond = 2000;
constexpr int kSeconds = 4;
constexpr int kStalledEach = 10;  // one of so many never reads

std::string IdOf(int i) { return "b" + std::to_string(i); }

double ResidentMiB() {
  std::ifstream statm("/proc/self/statm");
  double all = 0;
  double resident = 0;
  statm >> all >> resident;
  return resident * static_cast<double>(kPage) / (1 << 20);
}

double Percentile(std::vector<double>& values, double share) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  return values[static_cast<size_t>(share * static_cast<double>(values.size() - 1))];
}

class WatchLoadTest : public testing::Test {
 protected:
  void SetUp() override {
    hub_.AddSource(queue_, control_);
    hub_.Start();
    config_.watch.max_watchers = kBackends * kWatchersEach + 1 + 16;  // 16 are the admin role's
    server_ = std::make_unique<ApiServer>(
        config_, [this](const auto& read) { hub_.Read(read); }, control_);
    ASSERT_EQ(server_->Start(), absl::OkStatus());
    hub_.SetListener([this] { server_->ReplicaChanged(); });
    for (int i = 0; i < kBackends; ++i) {
      state::BackendSpec spec;
      spec.id = IdOf(i);
      handles_.push_back(publisher_.Attach(spec));
      publisher_.Publish(handles_.back(), state::RegionReported{1 << 30, 0, state::Exposed::kYes});
    }
    for (int i = 0; i < kChannels; ++i) {
      stubs_.push_back(v1::ShmemInspector::NewStub(ChannelTo("unix:" + config_.socket.path)));
    }
  }
  void TearDown() override { hub_.SetListener(nullptr); }

  // Maps and unmaps in turn, on one back-end after the other, at the rate.
  void Churn() {
    const auto start = std::chrono::steady_clock::now();
    for (int i = 0; i < kEventsPerSecond * kSeconds; ++i) {
      std::this_thread::sleep_until(start + std::chrono::microseconds(1'000'000LL * i / kEventsPerSecond));
      const int round = i / kBackends;
      const state::BackendHandle handle = handles_[static_cast<size_t>(i % kBackends)];
      const auto offset = static_cast<uint64_t>(round / 3 % 8) * kPage;
      if (round % 3 == 2) {
        state::UnmapSettled unmap;
        unmap.request.shm_offset = offset;
        unmap.request.len = kPage;
        unmap.ack_latency_ns = 1000;
        publisher_.Publish(handle, unmap);
      } else {
        state::MapSettled map;
        map.request.shm_offset = offset + static_cast<uint64_t>(round % 3) * 16 * kPage;
        map.request.len = kPage;
        map.request.fd_count = 1;
        map.ack_latency_ns = 1000;
        publisher_.Publish(handle, map);
      }
      if (publisher_.resync_pending()) publisher_.ResyncStep();
    }
  }

  // Whether the copy becomes what the lists say.
  bool Agrees(AsyncWatcher& watcher, const std::string& expected) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    while (std::chrono::steady_clock::now() < deadline) {
      if (watcher.Text() == expected) return true;
      std::this_thread::yield();
    }
    return false;
  }

  TempDir directory_;
  ApiConfig config_ = ConfigIn(directory_);
  feed::UpdateQueue queue_{8192};
  feed::Control control_;
  feed::Hub hub_{kPage};
  feed::Publisher publisher_{queue_, 0, kPage};
  std::unique_ptr<ApiServer> server_;
  std::vector<state::BackendHandle> handles_;
  std::vector<std::unique_ptr<v1::ShmemInspector::Stub>> stubs_;
};

TEST_F(WatchLoadTest, AThousandWatchersAgreeWithTheTableAndStalledOnesAreBounded) {
  std::vector<std::unique_ptr<AsyncWatcher>> watchers;
  watchers.reserve(size_t{kBackends} * kWatchersEach);
  for (int i = 0; i < kBackends * kWatchersEach; ++i) {
    watchers.push_back(std::make_unique<AsyncWatcher>(*stubs_[static_cast<size_t>(i % kChannels)],
                                                      IdOf(i % kBackends), i % kStalledEach == 0));
  }
  for (size_t i = 0; i < watchers.size(); ++i) {
    if (i % kStalledEach == 0) continue;
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    while (!watchers[i]->synced() && std::chrono::steady_clock::now() < deadline) std::this_thread::yield();
    ASSERT_TRUE(watchers[i]->synced()) << i;
  }
  const double before_mib = ResidentMiB();
  Churn();
  std::vector<std::string> expected(kBackends);
  for (int i = 0; i < kBackends; ++i) expected[static_cast<size_t>(i)] = StateOf(*stubs_[0], IdOf(i));
  std::vector<double> delays;
  int snapshots = 0;
  for (size_t i = 0; i < watchers.size(); ++i) {
    if (i % kStalledEach == 0) continue;
    EXPECT_TRUE(Agrees(*watchers[i], expected[i % kBackends])) << "watcher " << i << ":\n"
                                                               << watchers[i]->Text();
    for (double delay : watchers[i]->TakeDelaysMs()) delays.push_back(delay);
    snapshots += watchers[i]->snapshots();
  }
  const double after_mib = ResidentMiB();
  std::printf(
      "%zu watchers, %d of them stalled, %d events: %zu changes told, delay p50 %.1f ms p99 %.1f ms, "
      "%d snapshots, resident %.0f -> %.0f MiB\n",
      watchers.size(), kBackends * kWatchersEach / kStalledEach, kEventsPerSecond * kSeconds, delays.size(),
      Percentile(delays, 0.5), Percentile(delays, 0.99), snapshots, before_mib, after_mib);
#if !defined(__SANITIZE_ADDRESS__)  // which keeps what was freed
  EXPECT_LT(after_mib - before_mib, 200);
#endif
  // Those that slept catch up, by what is kept or by a new snapshot.
  for (size_t i = 0; i < watchers.size(); i += kStalledEach) watchers[i]->Resume();
  for (size_t i = 0; i < watchers.size(); i += kStalledEach) {
    EXPECT_TRUE(Agrees(*watchers[i], expected[i % kBackends])) << "stalled watcher " << i;
  }
}

}  // namespace
}  // namespace shmemd::api
