#include "server/api/call_counter.h"

#include <google/protobuf/descriptor.h>

#include "server/base/clock.h"

namespace shmemd::api {
namespace {

using grpc::experimental::InterceptionHookPoints;
using grpc::experimental::InterceptorBatchMethods;

// One call: owned by gRPC, counted when its status is sent, which every call does once. Calls of methods that
// are none cost as much as others while they are open, but make no series.
class CountedCall final : public grpc::experimental::Interceptor {
 public:
  CountedCall(feed::CallStats& stats, OpenCalls& open, OpenCalls::Connection connection,
              std::optional<size_t> method)
      : stats_(stats),
        open_(open),
        connection_(connection),
        method_(method),
        kind_(method && stats.methods()[*method].kind == feed::CallKind::kUnary ? OpenCalls::Kind::kUnary
                                                                                : OpenCalls::Kind::kStream),
        start_ns_(base::MonotonicNanos()),
        entered_(open_.Enter(connection_, kind_)) {}
  ~CountedCall() override {
    if (entered_) open_.Leave(connection_, kind_);
  }

  void Intercept(InterceptorBatchMethods* methods) override {
    if (method_ && methods->QueryInterceptionHookPoint(InterceptionHookPoints::PRE_SEND_STATUS)) {
      const int code = static_cast<int>(methods->GetSendStatus().error_code());
      stats_.Count(*method_, code, base::MonotonicNanos() - start_ns_);
    }
    methods->Proceed();
  }

 private:
  feed::CallStats& stats_;
  OpenCalls& open_;
  const OpenCalls::Connection connection_;
  const std::optional<size_t> method_;
  const OpenCalls::Kind kind_;
  const int64_t start_ns_;
  const bool entered_;
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

grpc::experimental::Interceptor* CallCounter::CreateServerInterceptor(
    grpc::experimental::ServerRpcInfo* info) {
  const std::optional<size_t> method = info->method() != nullptr ? stats_.Find(info->method()) : std::nullopt;
  return new CountedCall(stats_, open_, OpenCalls::ConnectionOf(*info->server_context()), method);
}

}  // namespace shmemd::api
