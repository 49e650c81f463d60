#include "server/api/call_counter.h"

#include <google/protobuf/descriptor.h>

#include "server/base/clock.h"

namespace shmemd::api {
namespace {

using grpc::experimental::InterceptionHookPoints;
using grpc::experimental::InterceptorBatchMethods;

// One call: owned by gRPC, counted when its status is sent, which every call does once.
class CountedCall final : public grpc::experimental::Interceptor {
 public:
  CountedCall(feed::CallStats& stats, std::atomic<int64_t>& open, size_t method)
      : stats_(stats), open_(open), method_(method), start_ns_(base::MonotonicNanos()) {
    open_.fetch_add(1, std::memory_order_relaxed);
  }
  ~CountedCall() override { open_.fetch_sub(1, std::memory_order_relaxed); }

  void Intercept(InterceptorBatchMethods* methods) override {
    if (methods->QueryInterceptionHookPoint(InterceptionHookPoints::PRE_SEND_STATUS)) {
      const int code = static_cast<int>(methods->GetSendStatus().error_code());
      stats_.Count(method_, code, base::MonotonicNanos() - start_ns_);
    }
    methods->Proceed();
  }

 private:
  feed::CallStats& stats_;
  std::atomic<int64_t>& open_;
  const size_t method_;
  const int64_t start_ns_;
};

feed::CallKind KindOf(const google::protobuf::MethodDescriptor& method) {
  if (method.client_streaming()) {
    return method.server_streaming() ? feed::CallKind::kBidiStream : feed::CallKind::kClientStream;
  }
  return method.server_streaming() ? feed::CallKind::kServerStream : feed::CallKind::kUnary;
}

}  // namespace

std::vector<feed::CallMethod> MethodsOf(const std::vector<std::string>& services) {
  std::vector<feed::CallMethod> methods;
  for (const std::string& name : services) {
    const auto* service = google::protobuf::DescriptorPool::generated_pool()->FindServiceByName(name);
    for (int i = 0; service != nullptr && i < service->method_count(); ++i) {
      methods.push_back({name, service->method(i)->name(), KindOf(*service->method(i))});
    }
  }
  return methods;
}

// gRPC passes over a nullptr.
grpc::experimental::Interceptor* CallCounter::CreateServerInterceptor(
    grpc::experimental::ServerRpcInfo* info) {
  const std::optional<size_t> method = info->method() != nullptr ? stats_.Find(info->method()) : std::nullopt;
  return method ? new CountedCall(stats_, open_, *method) : nullptr;
}

}  // namespace shmemd::api
