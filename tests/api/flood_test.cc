// What one hostile client costs the others: latency beside each flood, and memory after it.
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <functional>
#include <iostream>

#include "tests/api/access_fixture.h"
#include "tests/api/raw_http2.h"

namespace shmemd::api {
namespace {

constexpr char kWatch[] = "/vhost.shmem.v1.ShmemInspector/Watch";
constexpr char kInfo[] = "/vhost.shmem.v1.ShmemInspector/GetServerInfo";

double ResidentMib() {
  std::ifstream statm("/proc/self/statm");
  uint64_t pages = 0;
  statm >> pages >> pages;
  return static_cast<double>(pages) * static_cast<double>(sysconf(_SC_PAGESIZE)) / (1 << 20);
}

// Client and server are one process here: the figures have both.
class FloodTest : public AccessTest {
 protected:
  void SetUp() override { Start(); }

  // Another client's calls while `attack` runs, and after.
  void Measure(const std::string& what, const std::function<void()>& attack) {
    const auto channel = ChannelTo("unix:" + config_.socket.path);
    const double idle_us = MedianUs(channel, 500);
    std::atomic<bool> done{false};
    std::thread attacker([&] {
      attack();
      done.store(true);
    });
    std::vector<double> beside;
    double peak_mib = 0;
    while (!done.load()) {
      beside.push_back(CallUs(channel));
      if (beside.size() % 64 == 0) peak_mib = std::max(peak_mib, ResidentMib());
    }
    attacker.join();
    std::sort(beside.begin(), beside.end());
    std::cout << what << ": GetServerInfo of another client, median " << idle_us << " us idle, "
              << (beside.empty() ? 0 : beside[beside.size() / 2]) << " us beside (" << beside.size()
              << " calls), " << MedianUs(channel, 500) << " us after; resident at most " << peak_mib
              << " MiB, then " << ResidentMib() << " MiB\n";
    EXPECT_TRUE(GetInfo(ChannelTo("unix:" + config_.socket.path)).ok()) << "a new client";
  }

  double CallUs(const std::shared_ptr<grpc::Channel>& channel) {
    const int64_t start_ns = base::MonotonicNanos();
    const grpc::Status status = GetInfo(channel);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return static_cast<double>(base::MonotonicNanos() - start_ns) / 1000;
  }
  double MedianUs(const std::shared_ptr<grpc::Channel>& channel, int calls) {
    std::vector<double> times(calls);
    for (double& time : times) time = CallUs(channel);
    std::sort(times.begin(), times.end());
    return times[times.size() / 2];
  }

  // `count` streams as fast as they go; `rest`: what follows the headers of each. How many until it was
  // ended.
  uint32_t OpenStreams(uint32_t count, const char* path, const std::function<std::string(uint32_t)>& rest) {
    const base::UniqueFd connection = http2::Connect(config_.socket.path);
    const std::string headers = http2::CallHeaders(path);
    // Its settings are never acknowledged: gRPC's own limit does not hold then.
    bool open = http2::Send(connection.get(), http2::Preface());
    uint32_t sent = 0;
    while (open && sent < count) {
      std::string batch;
      for (int i = 0; i < 50; ++i, ++sent) {
        const uint32_t stream = 2 * sent + 1;
        batch += http2::Frame(http2::kHeaders, http2::kEndHeaders, stream, headers) + rest(stream);
      }
      open = http2::Send(connection.get(), batch) && http2::Drain(connection.get());
    }
    return sent;
  }
};

std::string Request(uint32_t stream) {
  return http2::Frame(http2::kData, http2::kEndStream, stream, http2::EmptyMessage());
}
std::string Reset(uint32_t stream) {
  return http2::Frame(http2::kReset, 0, stream, std::string("\0\0\0\x08", 4));
}

TEST_F(FloodTest, TenThousandStreams) {
  Measure("10,000 streams of Watch", [&] { OpenStreams(10'000, kWatch, Request); });
  EXPECT_LE(server_->watcher_count(), 200U);
  EXPECT_THAT(log_.lines(), testing::Contains(testing::HasSubstr("limits.max_streams")));
}

TEST_F(FloodTest, StreamsThatAreResetAtOnce) {
  constexpr uint32_t kMany = 200'000;
  uint32_t sent = 0;
  Measure("stream resets", [&] { sent = OpenStreams(kMany, kInfo, Reset); });
  std::cout << "stream resets: " << sent << " were sent until the connection was ended\n";
  EXPECT_LT(sent, kMany);
  EXPECT_THAT(log_.lines(), testing::Contains(testing::HasSubstr("faster than they could be answered")));
}

TEST_F(FloodTest, StreamsToNoMethod) {
  constexpr uint32_t kMany = 200'000;
  uint32_t sent = 0;
  Measure("streams to no method", [&] { sent = OpenStreams(kMany, "/x/y", Reset); });
  std::cout << "streams to no method: " << sent << " were sent until the connection was ended\n";
  EXPECT_LT(sent, kMany);
  EXPECT_THAT(log_.lines(), testing::Contains(testing::HasSubstr("faster than they could be answered")));
}

TEST_F(FloodTest, SilentConnections) {
  Measure("3,000 silent connections", [&] {
    std::vector<base::UniqueFd> silent(3000);
    for (base::UniqueFd& connection : silent) connection = http2::Connect(config_.socket.path);
  });
}

}  // namespace
}  // namespace shmemd::api
