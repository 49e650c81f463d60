// Counts every call that a server answers, and those under way, by an interceptor around each.
#pragma once

#include <grpcpp/support/server_interceptor.h>

#include <string>
#include <vector>

#include "server/api/open_calls.h"
#include "server/feed/call_stats.h"

namespace shmemd::api {

// The methods of these services, asked of the descriptors that are linked in.
std::vector<feed::CallMethod> MethodsOf(const std::vector<std::string>& services);

// Any thread. What is none of the methods known to `stats` is not counted: clients cannot make series.
class CallCounter final : public grpc::experimental::ServerInterceptorFactoryInterface {
 public:
  // Both outlive every call.
  CallCounter(feed::CallStats& stats, OpenCalls& open) : stats_(stats), open_(open) {}

  grpc::experimental::Interceptor* CreateServerInterceptor(grpc::experimental::ServerRpcInfo* info) override;

 private:
  feed::CallStats& stats_;
  OpenCalls& open_;
};

}  // namespace shmemd::api
