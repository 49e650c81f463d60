#include "server/metrics/call_collectable.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/metrics/metrics_fixture.h"

namespace shmemd::metrics {
namespace {

TEST(CallCollectable, OkIsThereFromTheStartAndTheRestOnceItOccurred) {
  feed::CallStats stats(
      {{"a.B", "Get", feed::CallKind::kUnary}, {"a.B", "Watch", feed::CallKind::kServerStream}});
  const CallCollectable calls(&stats);
  const std::string get = "{grpc_type=unary,grpc_service=a.B,grpc_method=Get";
  const std::string watch = "{grpc_type=server_stream,grpc_service=a.B,grpc_method=Watch";
  Scrape expected = {{"grpc_server_handled_total" + get + ",grpc_code=OK}", 0},
                     {"grpc_server_handled_total" + watch + ",grpc_code=OK}", 0}};
  EXPECT_EQ(ScrapeOf(calls.Collect()), expected);
  stats.Count(0, 0, 500'000'000);
  stats.Count(0, 7, 500'000'000);
  stats.Count(1, 16, 0);
  expected["grpc_server_handled_total" + get + ",grpc_code=OK}"] = 1;
  expected["grpc_server_handled_total" + get + ",grpc_code=PermissionDenied}"] = 1;
  expected["grpc_server_handled_total" + watch + ",grpc_code=Unauthenticated}"] = 1;
  expected["grpc_server_handling_seconds_count" + get + "}"] = 2;
  expected["grpc_server_handling_seconds_sum" + get + "}"] = 1;
  expected["grpc_server_handling_seconds_count" + watch + "}"] = 1;
  expected["grpc_server_handling_seconds_sum" + watch + "}"] = 0;
  EXPECT_EQ(ScrapeOf(calls.Collect()), expected);
}

TEST(CallCollectable, WithoutAnApiThereIsNothing) { EXPECT_TRUE(CallCollectable(nullptr).Collect().empty()); }

}  // namespace
}  // namespace shmemd::metrics
