// What a running shmemd shows, by gRPC and by HTTP, and waiting for it.
#pragma once

#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "tests/app/shmemd_process.h"
#include "vhost/shmem/v1/inspector.grpc.pb.h"

namespace shmemd::component {

namespace v1 = ::vhost::shmem::v1;

#if defined(__SANITIZE_ADDRESS__)
inline constexpr int kSlowdown = 5;  // of what is promised in time
#else
inline constexpr int kSlowdown = 1;
#endif

class ShmemdView {
 public:
  explicit ShmemdView(const app::ShmemdProcess& shmemd) : metrics_address_(shmemd.metrics_address()) {
    grpc::ChannelArguments arguments;
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    inspector_ = v1::ShmemInspector::NewStub(grpc::CreateCustomChannel(
        "unix:" + shmemd.api_socket(), grpc::InsecureChannelCredentials(), arguments));
  }

  std::vector<v1::Backend> Backends() const {
    v1::ListBackendsRequest request;
    request.set_page_size(1000);
    v1::ListBackendsResponse response;
    grpc::ClientContext context;
    SetDeadline(context);
    const grpc::Status status = inspector_->ListBackends(&context, request, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return {response.backends().begin(), response.backends().end()};
  }
  v1::Backend Backend(const std::string& id) const {
    for (const v1::Backend& backend : Backends()) {
      if (backend.name() == "backends/" + id) return backend;
    }
    return {};
  }
  // Sums of ListMappings for one back-end, by shmid; only what is MAPPED or ASSUMED.
  std::map<int, int64_t> ListedBytes(const std::string& id) const {
    v1::ListMappingsRequest request;
    request.set_parent("backends/" + id + "/regions/-");
    request.set_page_size(1000);
    v1::ListMappingsResponse response;
    grpc::ClientContext context;
    SetDeadline(context);
    const grpc::Status status = inspector_->ListMappings(&context, request, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    std::map<int, int64_t> bytes;
    for (const v1::Mapping& mapping : response.mappings()) {
      if (mapping.state() == v1::Mapping::STALE) continue;
      const std::string name = mapping.name();
      bytes[std::stoi(name.substr(name.find("/regions/") + 9))] += mapping.length_bytes();
    }
    return bytes;
  }
  // The values of one metric of one back-end, by shmid; -1 for a metric without.
  std::map<int, int64_t> Scraped(const std::string& metric, const std::string& id) const {
    std::istringstream text(metrics::HttpGet(metrics_address_, "/metrics").body);
    const std::string start = metric + "{backend=\"" + id + "\"";
    const std::string with_shmid = ",shmid=\"";
    std::map<int, int64_t> values;
    for (std::string line; std::getline(text, line);) {
      if (!line.starts_with(start)) continue;
      const std::string rest = line.substr(start.size());
      const int shmid = rest.starts_with(with_shmid) ? std::stoi(rest.substr(with_shmid.size())) : -1;
      values[shmid] = static_cast<int64_t>(std::stod(rest.substr(rest.rfind(' '))));
    }
    return values;
  }

 private:
  static void SetDeadline(grpc::ClientContext& context) {
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(30));
    context.set_wait_for_ready(true);
  }

  std::string metrics_address_;
  std::unique_ptr<v1::ShmemInspector::Stub> inspector_;
};

// Asks again and again, as an orchestrator that polls. How long it took, or -1 when `patience` was over.
inline int64_t MillisecondsUntil(const std::function<bool()>& holds, std::chrono::milliseconds patience) {
  const auto begin = std::chrono::steady_clock::now();
  while (true) {
    const auto took = std::chrono::steady_clock::now() - begin;
    if (holds()) return std::chrono::duration_cast<std::chrono::milliseconds>(took).count();
    if (took > patience) return -1;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
}

}  // namespace shmemd::component
