// The site on a real port.
#include "server/web/site.h"

#include <netinet/tcp.h>

#include <algorithm>
#include <thread>

#include "server/metrics/http_endpoint.h"
#include "tests/metrics/http_client.h"
#include "tests/web/web_fixture.h"

namespace shmemd::web {
namespace {

using metrics::HttpAnswer;
using metrics::HttpAsk;
using metrics::HttpGet;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

constexpr const char* kDocuments[] = {"/", "/backends/gpu0/regions/0", "/debug/state.json"};
constexpr const char* kAssets[] = {"/page.css", "/page.js", "/icon.svg"};

class SiteTest : public WebTest {
 protected:
  void SetUp() override {
    Start(true);
    gpu0_ = AttachActive("gpu0", 16 * kMiB);
    Publish(gpu0_, {feed::Mapped(0, 0, kMiB)});
    CatchUp();
  }
  void Start(bool loopback_names, int max_made_per_second = 0) {
    http_.reset();
    Site::Options options;
    options.facts = {"1.2.3", 0, kPage, 1024, kMiB};
    options.findings = &findings_;
    options.loopback_names = loopback_names;
    options.max_made_per_second = max_made_per_second;
    site_ = std::make_unique<Site>(std::move(options), hub_);
    metrics::HttpEndpoint::Options endpoint;
    endpoint.listen = "127.0.0.1:0";
    endpoint.site = site_.get();
    auto started = metrics::HttpEndpoint::Start(std::move(endpoint), hub_);
    ASSERT_TRUE(started.ok()) << started.status();
    http_ = *std::move(started);
  }
  HttpAnswer Get(const std::string& target, const std::string& headers = "") {
    return HttpGet(http_->address(), target, headers);
  }

  state::BackendHandle gpu0_{};
  std::unique_ptr<Site> site_;
  std::unique_ptr<metrics::HttpEndpoint> http_;
};

TEST_F(SiteTest, EveryDocumentForbidsWhateverItDoesNotNeed) {
  for (const char* target :
       {"/", "/backends/gpu0/regions/0", "/debug/state.json", "/page.css", "/page.js", "/icon.svg"}) {
    const HttpAnswer answer = Get(target);
    EXPECT_EQ(answer.code, 200) << target;
    EXPECT_THAT(answer.Header("Content-Security-Policy"),
                AllOf(HasSubstr("default-src 'none'"), HasSubstr("frame-ancestors 'none'"),
                      HasSubstr("base-uri 'none'"), HasSubstr("form-action 'none'"), Not(HasSubstr("unsafe")),
                      Not(HasSubstr("*"))))
        << target;
    EXPECT_EQ(answer.Header("X-Content-Type-Options"), "nosniff") << target;
    EXPECT_EQ(answer.Header("Referrer-Policy"), "no-referrer") << target;
    EXPECT_EQ(answer.Header("X-Frame-Options"), "DENY") << target;
    EXPECT_EQ(answer.Header("Cross-Origin-Resource-Policy"), "same-origin") << target;
    EXPECT_EQ(metrics::HttpGet(http_->address(), "/metrics").Header("Referrer-Policy"), "no-referrer");
  }
  for (const char* target : kDocuments) EXPECT_EQ(Get(target).Header("Cache-Control"), "no-store") << target;
  for (const char* target : kAssets) EXPECT_EQ(Get(target).Header("Cache-Control"), "no-cache") << target;
  EXPECT_EQ(Get("/").Header("Content-Type"), "text/html; charset=utf-8");
  EXPECT_EQ(Get("/debug/state.json").Header("Content-Type"), "application/json");
}

TEST_F(SiteTest, AHeadHasTheHeadOfItsGet) {
  for (const char* target : {"/", "/backends/gpu0/regions/0", "/debug/state.json", "/page.css"}) {
    const HttpAnswer get = Get(target);
    const HttpAnswer head = HttpAsk(http_->address(), "HEAD", target);
    EXPECT_EQ(head.head, get.head) << target;
    EXPECT_EQ(head.body, "") << target;
    EXPECT_EQ(get.Header("Content-Length"), std::to_string(get.body.size())) << target;
  }
  EXPECT_EQ(HttpAsk(http_->address(), "POST", "/", "Content-Length: 0\r\n").code, 405);
}

TEST_F(SiteTest, OtherPathsAreNotFound) {
  for (const char* target :
       {"/debug", "/debug/", "/debug/state.json/", "/page.css/", "/assets/page.css", "/backends",
        "/backends/gpu0", "/backends/gpu0/regions/", "/backends/gpu0/regions/x", "/backends/gpu0/regions/256",
        "/backends/gpu0/regions/0000", "/backends/gpu0/regions/-1", "/backends/gpu0/regions/1",
        "/backends/gpu1/regions/0"}) {
    EXPECT_EQ(Get(target).code, 404) << target;
  }
  EXPECT_THAT(
      Get("/backends/%3Cscript%3E/regions/0").body,
      AllOf(HasSubstr("There is no such region"), HasSubstr("&lt;script&gt;"), Not(HasSubstr("<script>"))));
}

TEST_F(SiteTest, WhatHasNotChangedIsNotSentAgain) {
  for (const char* target : {"/", "/debug/state.json", "/page.js"}) {
    const std::string etag = Get(target).Header("ETag");
    ASSERT_NE(etag, "") << target;
    const HttpAnswer same = Get(target, "If-None-Match: " + etag + "\r\n");
    EXPECT_EQ(same.code, 304) << target;
    EXPECT_EQ(same.body, "") << target;
    EXPECT_EQ(same.Header("ETag"), etag) << target;
  }
  const std::string etag = Get("/").Header("ETag");
  Publish(gpu0_, {feed::Mapped(0, 4 * kMiB, kMiB)});
  CatchUp();
  EXPECT_EQ(Get("/", "If-None-Match: " + etag + "\r\n").code, 200);
  const std::string later = Get("/").Header("ETag");
  findings_.Raise(state::FindingCode::kCertificateUnreadable, "gone", {});
  EXPECT_EQ(Get("/", "If-None-Match: " + later + "\r\n").code, 200);
}

TEST_F(SiteTest, ThoseWhoTakeItGetGzip) {
  const HttpAnswer plain = Get("/");
  for (const char* accept : {"gzip", "deflate, gzip;q=0.5", "br,GZIP", "gzip;q=0.01"}) {
    const HttpAnswer zipped = Get("/", "Accept-Encoding: " + std::string(accept) + "\r\n");
    EXPECT_EQ(zipped.Header("Content-Encoding"), "gzip") << accept;
    EXPECT_EQ(zipped.Header("Vary"), "Accept-Encoding");
    EXPECT_EQ(zipped.body.substr(0, 2), "\x1f\x8b");
    EXPECT_LT(zipped.body.size(), plain.body.size() / 2);
  }
  for (const char* accept : {"identity", "gzip;q=0", "gzip; q=0.0", "gzip;Q=0", "x-gzip", ""}) {
    EXPECT_EQ(Get("/", "Accept-Encoding: " + std::string(accept) + "\r\n").Header("Content-Encoding"), "")
        << accept;
  }
}

// A name that somebody else's DNS leads to a loopback port is not one of this host.
TEST_F(SiteTest, ALoopbackPortAnswersToNamesOfThisHostOnly) {
  const auto code = [&](const std::string& host, const std::string& target) {
    return metrics::HttpExchange(http_->address(),
                                 "GET " + target + " HTTP/1.1\r\nHost: " + host + "\r\n\r\n")
        .code;
  };
  for (const char* host :
       {"localhost", "localhost:18044", "LOCALHOST.:1", "127.0.0.1:18044", "127.0.0.1", "[::1]:18044"}) {
    for (const char* target : kDocuments) EXPECT_EQ(code(host, target), 200) << host;
  }
  for (const char* host :
       {"evil.example", "evil.example:18044", "localhost.evil.example", "127.0.0.1.evil.example"}) {
    for (const char* target : kDocuments) EXPECT_EQ(code(host, target), 421) << host;
    EXPECT_EQ(code(host, "/metrics"), 200) << "scrapes come through any name";
  }
  Start(false);
  EXPECT_EQ(code("shmemd.pods.example:18044", "/"), 200);
}

TEST_F(SiteTest, ATabThatIsHeldStillDoesNotRefresh) {
  EXPECT_THAT(Get("/").body, HasSubstr("http-equiv=\"refresh\""));
  EXPECT_THAT(Get("/?refresh=off").body, Not(HasSubstr("http-equiv=\"refresh\"")));
}

TEST(MakeRateTest, ABurstThenSoManyASecond) {
  constexpr int64_t kSecond = 1'000'000'000;
  MakeRate rate(10);
  int64_t now_ns = kSecond;
  const auto taken = [&] {
    int count = 0;
    while (rate.Take(now_ns)) ++count;
    return count;
  };
  EXPECT_EQ(taken(), 20);
  now_ns += kSecond;
  EXPECT_EQ(taken(), 10);
  now_ns += 3600 * kSecond;
  EXPECT_EQ(taken(), 20) << "no more is saved up";
  EXPECT_TRUE(MakeRate(0).Take(1));
}

// A region may hold a million mappings: then fewer pages are made.
TEST(MakeRateTest, WhatTakesLongIsMadeLessOften) {
  constexpr int64_t kSecond = 1'000'000'000;
  MakeRate rate(20);
  int64_t now_ns = kSecond;
  int made = 0;
  // Asked for ten times a second, for a hundred seconds; each takes a fifth of a second.
  for (int i = 0; i < 1000; ++i, now_ns += kSecond / 10) {
    if (!rate.Take(now_ns)) continue;
    ++made;
    rate.Charge(kSecond / 5);
  }
  EXPECT_GE(made, 26);
  EXPECT_LE(made, 29) << "a twentieth of a core, and what was saved up";
  now_ns += 3600 * kSecond;
  EXPECT_TRUE(rate.Take(now_ns));
  rate.Charge(kSecond / 2);
  EXPECT_FALSE(rate.Take(now_ns)) << "no more than half a second is saved up";
}

TEST_F(SiteTest, WhoeverHammersIsTurnedAwayAndOthersAreNot) {
  Start(true, 1);
  const std::string etag = Get("/").Header("ETag");
  int refused = 0;
  for (int i = 0; i < 20; ++i) {
    const HttpAnswer answer = Get("/debug/state.json");
    if (answer.code != 503) continue;
    ++refused;
    EXPECT_EQ(answer.Header("Retry-After"), "1");
  }
  EXPECT_GT(refused, 10);
  EXPECT_EQ(Get("/", "If-None-Match: " + etag + "\r\n").code, 304);
  for (const char* target : {"/page.css", "/metrics", "/livez"}) EXPECT_EQ(Get(target).code, 200) << target;
}

class SlowReadersTest : public SiteTest {
 protected:
  void SetUp() override {
    SiteTest::SetUp();
    for (int b = 0; b < 120; ++b) {
      const auto backend = AttachActive("more" + std::to_string(b), 64 * kMiB);
      for (int shmid = 1; shmid < 8; ++shmid)
        Publish(backend, {state::RegionReported{kMiB, static_cast<uint8_t>(shmid), state::Exposed::kYes}});
      if (b % 40 == 0) CatchUp();
    }
    CatchUp();
  }
  // Asks, and reads nothing. Its window and its segments are small, so that the kernel takes little for it.
  base::UniqueFd Ask(const std::string& target) {
    base::UniqueFd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const int small = 2048;  // before connecting: the window is chosen by it
    setsockopt(socket.get(), SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
    const int segment = 536;
    setsockopt(socket.get(), IPPROTO_TCP, TCP_MAXSEG, &segment, sizeof(segment));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<uint16_t>(metrics::PortOf(http_->address())));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
    const std::string ask = "GET " + target + " HTTP/1.1\r\nHost: localhost\r\n\r\n";
    EXPECT_EQ(send(socket.get(), ask.data(), ask.size(), MSG_NOSIGNAL), static_cast<ssize_t>(ask.size()));
    return socket;
  }
  // So many ask that no more of it is made.
  std::vector<base::UniqueFd> Crowd(const std::string& target) {
    std::vector<base::UniqueFd> readers;
    for (int i = 0; i < 24; ++i) readers.push_back(Ask(target));
    const int64_t deadline_ns = feed::InSeconds(10);
    HttpAnswer answer;
    while (answer.code != 503 && base::MonotonicNanos() < deadline_ns) answer = Get(target);
    EXPECT_EQ(answer.code, 503) << target;
    EXPECT_EQ(answer.Header("Retry-After"), "1") << target;
    return readers;
  }
  // The longest of several rounds.
  int64_t LongestMs(const std::vector<const char*>& targets) {
    int64_t longest_ms = 0;
    for (int i = 0; i < 5; ++i) {
      for (const char* target : targets) {
        const int64_t begin_ns = base::MonotonicNanos();
        EXPECT_EQ(Get(target).code, 200) << target;
        longest_ms = std::max(longest_ms, (base::MonotonicNanos() - begin_ns) / 1'000'000);
      }
    }
    return longest_ms;
  }
};

class SlowReadersByTargetTest : public SlowReadersTest, public testing::WithParamInterface<const char*> {};

// Many who ask for much and do not read it: kubelet would kill a relay whose probe waits behind them.
TEST_P(SlowReadersByTargetTest, KeepNobodyFromWhatTheyDidNotAskFor) {
  const std::string target = GetParam();
  ASSERT_GT(Get(target).body.size(), size_t{300} << 10);
  std::vector<base::UniqueFd> readers = Crowd(target);
  const int64_t longest_ms = LongestMs({"/livez", "/readyz", target == "/metrics" ? "/" : "/metrics"});
  // Kubelet's patience with a probe.
  EXPECT_LT(longest_ms, 1000);
  RecordProperty("longest_ms", static_cast<int>(longest_ms));
  readers.clear();
  const int64_t deadline = feed::InSeconds(10);
  int code = 0;
  while (code != 200 && base::MonotonicNanos() < deadline) code = Get(target).code;
  EXPECT_EQ(code, 200) << "and once they are gone, it is there again";
}

TEST_F(SlowReadersTest, KeepNobodyFromProbes) {
  const std::vector<base::UniqueFd> scrapers = Crowd("/metrics");
  const std::vector<base::UniqueFd> readers = Crowd("/debug/state.json");
  EXPECT_LT(LongestMs({"/livez", "/readyz"}), 1000);
}

INSTANTIATE_TEST_SUITE_P(Of, SlowReadersByTargetTest, testing::Values("/debug/state.json", "/metrics"),
                         [](const auto& target) { return target.param[1] == 'm' ? "Scrapes" : "Documents"; });

}  // namespace
}  // namespace shmemd::web
