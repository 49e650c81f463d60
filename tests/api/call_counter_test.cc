// What a real server counts of real calls.
#include "server/api/call_counter.h"

#include <grpcpp/generic/generic_stub.h>

#include "grpc/health/v1/health.grpc.pb.h"
#include "tests/api/api_fixture.h"

namespace shmemd::api {
namespace {

using grpc::StatusCode;

class CallCounterTest : public ApiTest {
 protected:
  feed::CallCounts CountsOf(const std::string& path) const {
    const auto method = server_.call_stats().Find(path);
    EXPECT_TRUE(method.has_value()) << path;
    return server_.call_stats().Read(method.value_or(0));
  }
  uint64_t Handled(const std::string& path, StatusCode code) const {
    return CountsOf(path).handled[static_cast<size_t>(code)];
  }
  uint64_t AllHandled() const {
    uint64_t all = 0;
    for (size_t i = 0; i < server_.call_stats().methods().size(); ++i) {
      for (const uint64_t count : server_.call_stats().Read(i).handled) all += count;
    }
    return all;
  }
};

TEST_F(CallCounterTest, CallsAreCountedByTheCodeOfTheirAnswerOnAllListeners) {
  v1::GetServerInfoResponse info;
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(Call(&v1::ShmemInspector::Stub::GetServerInfo, v1::GetServerInfoRequest(), info).ok());
  }
  v1::GetBackendRequest missing;
  missing.set_name("backends/nobody");
  v1::Backend backend;
  EXPECT_EQ(Call(&v1::ShmemInspector::Stub::GetBackend, missing, backend).error_code(),
            StatusCode::NOT_FOUND);
  for (const auto& channel : {channel_, admin_channel_}) {
    grpc::ClientContext context;
    SetTestDeadline(context);
    v1::ProbeReport report;
    EXPECT_FALSE(
        v1::ShmemAdmin::NewStub(channel)->ProbeBackend(&context, v1::ProbeBackendRequest(), &report).ok());
  }
  const std::string inspector = "/vhost.shmem.v1.ShmemInspector/";
  EXPECT_EQ(Handled(inspector + "GetServerInfo", StatusCode::OK), 3u);
  EXPECT_GT(CountsOf(inspector + "GetServerInfo").durations.sum_ns, 0);
  EXPECT_EQ(Handled(inspector + "GetBackend", StatusCode::NOT_FOUND), 1u);
  EXPECT_EQ(Handled("/vhost.shmem.v1.ShmemAdmin/ProbeBackend", StatusCode::PERMISSION_DENIED), 1u);
  EXPECT_EQ(Handled("/vhost.shmem.v1.ShmemAdmin/ProbeBackend", StatusCode::INVALID_ARGUMENT), 1u);
  EXPECT_EQ(AllHandled(), 6u);
}

TEST_F(CallCounterTest, StreamsAreCountedWhenTheyEnd) {
  {
    grpc::ClientContext context;
    SetTestDeadline(context);
    const auto stub = grpc::health::v1::Health::NewStub(channel_);
    const auto stream = stub->Watch(&context, grpc::health::v1::HealthCheckRequest());
    grpc::health::v1::HealthCheckResponse response;
    ASSERT_TRUE(stream->Read(&response));
    EXPECT_EQ(AllHandled(), 0u);
    std::thread shutdown([this] { server_.Shutdown(std::chrono::minutes(10)); });
    while (stream->Read(&response)) {
    }
    EXPECT_FALSE(stream->Finish().ok());
    shutdown.join();
  }
  EXPECT_EQ(Handled("/grpc.health.v1.Health/Watch", StatusCode::UNAVAILABLE), 1u);
}

// Whatever clients ask for: no new series.
TEST_F(CallCounterTest, MethodsThatAreNoneAreNotCounted) {
  const size_t methods = server_.call_stats().methods().size();
  for (const char* method : {"/vhost.shmem.v1.ShmemInspector/NoSuchMethod", "/no.such.Service/Get", "/x"}) {
    grpc::GenericStub stub(channel_);
    grpc::ClientContext context;
    SetTestDeadline(context);
    grpc::CompletionQueue queue;
    const grpc::ByteBuffer request;
    const auto call = stub.PrepareUnaryCall(&context, method, request, &queue);
    call->StartCall();
    grpc::ByteBuffer response;
    grpc::Status status;
    call->Finish(&response, &status, nullptr);
    void* tag = nullptr;
    bool ok = false;
    ASSERT_TRUE(queue.Next(&tag, &ok));
    EXPECT_EQ(status.error_code(), StatusCode::UNIMPLEMENTED) << method;
  }
  EXPECT_EQ(AllHandled(), 0u);
  EXPECT_EQ(server_.call_stats().methods().size(), methods);
}

TEST(MethodsOf, KindsAreThoseOfTheProto) {
  const auto methods = MethodsOf({"grpc.health.v1.Health", "no.such.Service"});
  ASSERT_GE(methods.size(), 2u);
  EXPECT_EQ(methods[0], (feed::CallMethod{"grpc.health.v1.Health", "Check", feed::CallKind::kUnary}));
  EXPECT_EQ(methods[1], (feed::CallMethod{"grpc.health.v1.Health", "Watch", feed::CallKind::kServerStream}));
}

}  // namespace
}  // namespace shmemd::api
