// Counts every call that a server answers, by an interceptor around each.
#pragma once

#include <grpcpp/support/server_interceptor.h>

#include <atomic>
#include <cstdint>
#include <string>
#include <vector>

#include "server/feed/call_stats.h"

namespace shmemd::api {

// The methods of these services, asked of the descriptors that are linked in.
std::vector<feed::CallMethod> MethodsOf(const std::vector<std::string>& services);

// Any thread. What is none of the methods known to `stats` is not counted: clients cannot make series.
class CallCounter final : public grpc::experimental::ServerInterceptorFactoryInterface {
 public:
  // `stats` and `open`, which is the number of calls under way, outlive every call.
  CallCounter(feed::CallStats& stats, std::atomic<int64_t>& open) : stats_(stats), open_(open) {}

  grpc::experimental::Interceptor* CreateServerInterceptor(grpc::experimental::ServerRpcInfo* info) override;

 private:
  feed::CallStats& stats_;
  std::atomic<int64_t>& open_;
};

}  // namespace shmemd::api
