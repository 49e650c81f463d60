// The HTTP endpoint on a real port.
#include "server/metrics/http_endpoint.h"

#include <chrono>

#include "server/state/backend_spec.h"
#include "tests/metrics/http_client.h"
#include "tests/metrics/metrics_fixture.h"

namespace shmemd::metrics {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::MatchesRegex;
using testing::Not;

class HttpEndpointTest : public MetricsTest {
 protected:
  absl::StatusOr<std::unique_ptr<HttpEndpoint>> TryStart(const std::string& listen) {
    return HttpEndpoint::Start(
        {listen, "1.2.3", [this] { return not_alive_; }, [this] { return not_ready_; }}, hub_);
  }
  void SetUp() override {
    auto started = TryStart("127.0.0.1:0");
    ASSERT_TRUE(started.ok()) << started.status();
    http_ = *std::move(started);
  }
  HttpAnswer Get(const std::string& target, const std::string& headers = "") {
    EXPECT_TRUE(feed::CatchUp(publisher_, queue_, hub_));
    return HttpGet(http_->address(), target, headers);
  }

  std::string not_alive_;
  std::string not_ready_;
  std::unique_ptr<HttpEndpoint> http_;
};

TEST_F(HttpEndpointTest, TheAddressHasTheRealPort) {
  EXPECT_THAT(http_->address(), MatchesRegex("127\\.0\\.0\\.1:[1-9][0-9]*"));
}

TEST_F(HttpEndpointTest, PlainTextForEveryoneElse) {
  PublishActive(Attach("gpu0"));
  for (const char* accept : {"", "Accept: */*\r\n", "Accept: text/plain;version=0.0.4\r\n"}) {
    const HttpAnswer answer = Get("/metrics", accept);
    EXPECT_EQ(answer.code, 200);
    EXPECT_EQ(answer.Header("Content-Type"), "text/plain; version=0.0.4; charset=utf-8");
    EXPECT_THAT(answer.body,
                AllOf(HasSubstr("# TYPE vhost_shmem_backend_connects_total counter\n"),
                      HasSubstr("\nvhost_shmem_backend_up{backend=\"gpu0\"} 1\n"),
                      HasSubstr("shmemd_build_info{version=\"1.2.3\"} 1\n"), Not(HasSubstr("# EOF"))));
  }
}

TEST_F(HttpEndpointTest, OpenMetricsForThoseWhoAsk) {
  PublishActive(Attach("gpu0"));
  const HttpAnswer answer = Get(
      "/metrics", "Accept: application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5\r\n");
  EXPECT_EQ(answer.code, 200);
  EXPECT_EQ(answer.Header("Content-Type"), "application/openmetrics-text; version=1.0.0; charset=utf-8");
  EXPECT_THAT(answer.body, AllOf(HasSubstr("# TYPE vhost_shmem_backend_connects counter\n"),
                                 HasSubstr("\nvhost_shmem_backend_up{backend=\"gpu0\"} 1\n"),
                                 testing::EndsWith("# EOF\n")));
}

TEST_F(HttpEndpointTest, AHeadHasTheHeadOfItsGetAndNoBody) {
  for (const char* target : {"/livez", "/readyz", "/nothing"}) {
    const HttpAnswer get = HttpGet(http_->address(), target);
    const HttpAnswer head = HttpAsk(http_->address(), "HEAD", target);
    EXPECT_EQ(head.head, get.head) << target;
    EXPECT_EQ(head.body, "") << target;
    EXPECT_EQ(get.Header("Content-Length"), std::to_string(get.body.size())) << target;
  }
}

TEST_F(HttpEndpointTest, OtherPathsAreNotFound) {
  for (const char* target :
       {"/nothing", "/metrics/", "/METRICS", "/debug/../../etc/passwd", "/%2e%2e/etc/passwd"}) {
    EXPECT_EQ(HttpGet(http_->address(), target).code, 404) << target;
  }
  EXPECT_THAT(HttpGet(http_->address(), "/nothing").body, HasSubstr("/metrics"));
}

TEST_F(HttpEndpointTest, OnlyGetAndHead) {
  for (const char* method : {"POST", "PUT", "DELETE", "PATCH", "OPTIONS"}) {
    const HttpAnswer answer = HttpAsk(http_->address(), method, "/metrics", "Content-Length: 0\r\n");
    EXPECT_EQ(answer.code, 405) << method;
    EXPECT_EQ(answer.Header("Allow"), "GET, HEAD") << method;
  }
}

TEST_F(HttpEndpointTest, WhatIsNoHttpIsRefused) {
  for (const std::string& garbage :
       {std::string("\x16\x03\x01\x02\x00\x01\x00\r\n\r\n", 11), std::string("GET\r\n\r\n"),
        "GET /livez HTTP/1.1\r\nX: " + std::string(100'000, 'x') + "\r\n\r\n"}) {
    EXPECT_NE(HttpExchange(http_->address(), garbage).code, 200);
  }
  EXPECT_EQ(HttpGet(http_->address(), "/livez").code, 200);
}

// The VMM may wait for /readyz before it connects.
TEST_F(HttpEndpointTest, ARelayThatWaitsForItsVmmIsReadyAndNotUp) {
  state::BackendSpec spec = feed::Spec("vm0");
  spec.mode = state::Mode::kRelay;
  spec.frontend_socket = "/run/vhost-user/vm0.sock";
  const auto vm0 = publisher_.Attach(spec);
  Publish(vm0, {state::Connected{}, state::StateChanged{state::BackendState::kWaitingForFrontend, {}}});
  EXPECT_EQ(Get("/readyz").code, 200);
  const HttpAnswer answer = Get("/readyz?backends");
  EXPECT_EQ(answer.code, 503);
  EXPECT_EQ(answer.body, "back-end vm0 is WAITING_FOR_FRONTEND: no VMM at /run/vhost-user/vm0.sock\n");
  EXPECT_THAT(Get("/metrics").body, HasSubstr("vhost_shmem_backend_up{backend=\"vm0\"} 0\n"));
}

// A name of somebody else's DNS that leads to a loopback port, for a web page to read what is there.
TEST_F(HttpEndpointTest, AForeignNameOfALoopbackPortIsToldNoPath) {
  HttpEndpoint::Options options;
  options.listen = "127.0.0.1:0";
  options.loopback_names = true;
  auto started = HttpEndpoint::Start(std::move(options), hub_);
  ASSERT_TRUE(started.ok()) << started.status();
  http_ = *std::move(started);
  state::BackendSpec spec = feed::Spec("vm0");
  spec.mode = state::Mode::kRelay;
  spec.frontend_socket = "/run/vhost-user/vm0.sock";
  Publish(publisher_.Attach(spec), {state::StateChanged{state::BackendState::kWaitingForFrontend, {}}});
  EXPECT_THAT(Get("/readyz?backends").body, HasSubstr("no VMM at /run/vhost-user/vm0.sock\n"));
  const HttpAnswer foreign =
      HttpExchange(http_->address(), "GET /readyz?backends HTTP/1.1\r\nHost: evil.example\r\n\r\n");
  EXPECT_EQ(foreign.code, 503);
  EXPECT_EQ(foreign.body, "back-end vm0 is WAITING_FOR_FRONTEND: no VMM\n");
}

TEST_F(HttpEndpointTest, AScrapeIsZippedForThoseWhoAsk) {
  PublishActive(Attach("gpu0"));
  const std::string open = "Accept: application/openmetrics-text\r\n";
  const HttpAnswer plain = Get("/metrics", open);
  EXPECT_EQ(plain.Header("Content-Encoding"), "");
  const HttpAnswer zipped = Get("/metrics", open + "Accept-Encoding: gzip\r\n");
  EXPECT_EQ(zipped.code, 200);
  EXPECT_EQ(zipped.Header("Content-Encoding"), "gzip");
  EXPECT_EQ(zipped.Header("Content-Type"), plain.Header("Content-Type"));
  EXPECT_EQ(zipped.body.substr(0, 2), "\x1f\x8b");
  EXPECT_LT(zipped.body.size(), plain.body.size() / 3);
}

TEST_F(HttpEndpointTest, ProbesSayWhy) {
  for (const auto& [target, reason] : {std::pair("/livez", &not_alive_), std::pair("/readyz", &not_ready_)}) {
    HttpAnswer answer = HttpGet(http_->address(), target);
    EXPECT_EQ(answer.code, 200) << target;
    EXPECT_EQ(answer.body, "ok\n") << target;
    *reason = "the loop has not turned";
    answer = HttpGet(http_->address(), target);
    EXPECT_EQ(answer.code, 503) << target;
    EXPECT_EQ(answer.body, "the loop has not turned\n") << target;
    EXPECT_EQ(HttpGet(http_->address(), target == std::string("/livez") ? "/readyz" : "/livez").code, 200)
        << "only " << target << " fails";
    reason->clear();
  }
}

TEST_F(HttpEndpointTest, ReadyzAsksForBackendsOnlyWhenTold) {
  PublishActive(Attach("gpu0"));
  EXPECT_EQ(Get("/readyz?backends").code, 200);
  const auto cam0 = Attach("cam0");
  Publish(cam0, {state::StateChanged{state::BackendState::kFailed, {}}});
  EXPECT_EQ(Get("/readyz").code, 200);
  const HttpAnswer answer = Get("/readyz?backends");
  EXPECT_EQ(answer.code, 503);
  EXPECT_EQ(answer.body, "back-end cam0 is FAILED\n");
  not_ready_ = "starting";
  EXPECT_EQ(Get("/readyz?backends").body, "starting\n");
}

TEST_F(HttpEndpointTest, WithoutASiteThereAreMetricsAndProbesOnly) {
  for (const char* target : {"/", "/debug/state.json", "/page.css", "/backends/gpu0/regions/0"}) {
    const HttpAnswer answer = Get(target);
    EXPECT_EQ(answer.code, 404) << target;
    EXPECT_EQ(answer.Header("Content-Type"), "text/plain; charset=utf-8");
    EXPECT_THAT(answer.Header("Content-Security-Policy"), HasSubstr("default-src 'none'"));
  }
}

TEST_F(HttpEndpointTest, APortInUseIsOneErrorThatNamesIt) {
  const auto second = TryStart(http_->address());
  ASSERT_FALSE(second.ok());
  const std::string message(second.status().message());
  EXPECT_THAT(message, HasSubstr("metrics.listen " + http_->address()));
  EXPECT_THAT(message, HasSubstr("in use"));
  EXPECT_THAT(message, Not(HasSubstr("\n")));
  EXPECT_EQ(HttpGet(http_->address(), "/livez").code, 200) << "the first one goes on";
}

TEST_F(HttpEndpointTest, WildcardsOfBothFamiliesAnswer) {
  for (const char* listen : {"[::]:0", ":0", "0.0.0.0:0"}) {
    const auto started = TryStart(listen);
    ASSERT_TRUE(started.ok()) << started.status();
    EXPECT_EQ(HttpGet((*started)->address(), "/livez").code, 200) << (*started)->address();
  }
}

TEST_F(HttpEndpointTest, APortIsFreeAgainAfterwards) {
  const std::string address = http_->address();
  EXPECT_EQ(HttpGet(address, "/livez").code, 200);
  http_.reset();
  EXPECT_FALSE(ConnectToPort(PortOf(address)).is_open());
  const auto again = TryStart(address);
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(HttpGet(address, "/livez").code, 200);
}

// Somebody who connects and says nothing, or half of something, must not keep a probe from its answer:
// kubelet gives up after a second and three failures.
TEST_F(HttpEndpointTest, ItEndsAtOnce) {
  EXPECT_EQ(Get("/livez").code, 200);
  const int64_t start_ns = base::MonotonicNanos();
  http_.reset();
  EXPECT_LT(base::MonotonicNanos() - start_ns, 1'000'000'000);
}

TEST_F(HttpEndpointTest, ManySilentConnectionsDelayAnAnswerByLittle) {
  std::vector<base::UniqueFd> silent;
  for (int i = 0; i < 30; ++i) {
    silent.push_back(ConnectToPort(PortOf(http_->address())));
    ASSERT_TRUE(silent.back().is_open());
    if (i % 2 == 0) {
      ASSERT_EQ(send(silent.back().get(), "GET /m", 6, MSG_NOSIGNAL), 6);
    }
  }
  const int64_t begin_ns = base::MonotonicNanos();
  EXPECT_EQ(HttpGet(http_->address(), "/livez").code, 200);
  const int64_t took_ms = (base::MonotonicNanos() - begin_ns) / 1'000'000;
  EXPECT_LT(took_ms, 10'000);
  RecordProperty("took_ms", static_cast<int>(took_ms));
}

}  // namespace
}  // namespace shmemd::metrics
