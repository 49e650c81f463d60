#include "server/metrics/http_endpoint.h"

#include <absl/strings/numbers.h>
#include <absl/strings/str_cat.h>
#include <arpa/inet.h>
#include <civetweb.h>
#include <netinet/in.h>
#include <prometheus/text_serializer.h>
#include <sys/socket.h>

#include <atomic>
#include <chrono>
#include <cstring>
#include <iterator>
#include <thread>
#include <utility>

#include "server/base/clock.h"
#include "server/base/unique_fd.h"
#include "server/metrics/gzip.h"
#include "server/metrics/local_name.h"
#include "server/metrics/open_metrics.h"

namespace shmemd::metrics {
namespace {

constexpr char kText[] = "text/plain; charset=utf-8";
// Of the threads, so many make or send documents of the site, or scrapes, at a time: the others are left to
// probes, whose failure ends the process and the sessions that it relays.
constexpr int kMaxDocuments = 3;
constexpr int kMaxScrapes = 3;
constexpr int kThreads = 8;
static_assert(kThreads - kMaxDocuments - kMaxScrapes >= 2);
// How long one answer may take to be read, and how much is handed to the kernel between two looks at the
// clock.
constexpr int64_t kSendBudgetNs = 3'000'000'000;
constexpr size_t kPieceBytes = size_t{16} * 1024;
// Less than this is not worth compressing.
constexpr size_t kMinGzipBytes = 1024;

// To a reader that takes nothing civetweb gives up after the request timeout; here one that takes little is
// left, too.
void WriteAll(mg_connection* connection, std::string_view bytes) {
  const int64_t deadline_ns = base::MonotonicNanos() + kSendBudgetNs;
  while (!bytes.empty() && base::MonotonicNanos() < deadline_ns) {
    const std::string_view piece = bytes.substr(0, kPieceBytes);
    if (mg_write(connection, piece.data(), piece.size()) != static_cast<int>(piece.size())) return;
    bytes.remove_prefix(piece.size());
  }
}

const char* ReasonPhrase(int code) {
  switch (code) {
    case 200:
      return "OK";
    case 304:
      return "Not Modified";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 421:
      return "Misdirected Request";
    default:
      return "Service Unavailable";
  }
}

int Answer(mg_connection* connection, const HttpDocument& document) {
  const bool has_policy = document.headers.find("Content-Security-Policy:") != std::string::npos;
  std::string head = absl::StrCat("HTTP/1.1 ", document.code, " ", ReasonPhrase(document.code), "\r\n");
  if (document.code != 304) {
    absl::StrAppend(&head, "Content-Type: ", document.content_type,
                    "\r\nContent-Length: ", document.body.size(), "\r\n");
  }
  if (!document.etag.empty()) absl::StrAppend(&head, "ETag: ", document.etag, "\r\n");
  absl::StrAppend(&head, "Cache-Control: ", document.cache_control,
                  "\r\nX-Content-Type-Options: nosniff\r\nReferrer-Policy: no-referrer\r\n"
                  "X-Frame-Options: DENY\r\n",
                  has_policy ? "" : "Content-Security-Policy: default-src 'none'; frame-ancestors 'none'\r\n",
                  document.headers, "Connection: close\r\n\r\n");
  const bool head_only = std::strcmp(mg_get_request_info(connection)->request_method, "HEAD") == 0;
  if (!head_only && document.code != 304) head += document.body;
  WriteAll(connection, head);
  return document.code;
}

int Answer(mg_connection* connection, int code, const char* content_type, std::string body,
           const char* more = "") {
  HttpDocument document;
  document.code = code;
  document.content_type = content_type;
  document.body = std::move(body);
  document.headers = more;
  return Answer(connection, document);
}

int AnswerCompressed(mg_connection* connection, HttpDocument document) {
  if (document.body.size() >= kMinGzipBytes) {
    document.headers += "Vary: Accept-Encoding\r\n";
    std::string zipped;
    if (AcceptsGzip(mg_get_header(connection, "Accept-Encoding")))
      zipped = document.zipped.empty() ? Gzip(document.body) : std::move(document.zipped);
    if (!zipped.empty()) {
      document.body = std::move(zipped);
      document.headers += "Content-Encoding: gzip\r\n";
    }
  }
  return Answer(connection, document);
}

// Counted until the last byte is sent, since it is slow readers that hold a thread.
template <typename Make>
int AnswerAmong(std::atomic<int>& at_work, int most, mg_connection* connection, const Make& make) {
  const int code =
      at_work.fetch_add(1) < most
          ? make()
          : Answer(connection, 503, kText, "busy: try again in a second\n", "Retry-After: 1\r\n");
  at_work.fetch_sub(1);
  return code;
}

std::string_view HeaderOf(const mg_connection* connection, const char* name) {
  const char* value = mg_get_header(connection, name);
  return value == nullptr ? "" : value;
}

// civetweb has no IPv6 in Debian: the wildcard of both families becomes that of IPv4.
std::string CivetAddress(const std::string& listen) {
  constexpr std::string_view kAny6 = "[::]:";
  if (listen.starts_with(kAny6) && mg_check_feature(MG_FEATURES_IPV6) == 0) {
    return absl::StrCat("0.0.0.0:", listen.substr(kAny6.size()));
  }
  if (listen.starts_with(':')) return absl::StrCat("0.0.0.0", listen);
  return listen;
}

std::string WithRealPort(const mg_context* context, const std::string& address) {
  mg_server_port port{};
  if (mg_get_server_ports(context, 1, &port) < 1) return address;
  return absl::StrCat(address.substr(0, address.rfind(':')), ":", port.port);
}

// Connects and hangs up, waiting for nothing.
void Knock(const std::string& address) {
  const size_t colon = address.rfind(':');
  sockaddr_in to{};
  to.sin_family = AF_INET;
  int port = 0;
  if (!absl::SimpleAtoi(address.substr(colon + 1), &port)) return;
  to.sin_port = htons(static_cast<uint16_t>(port));
  if (inet_pton(AF_INET, address.substr(0, colon).c_str(), &to.sin_addr) != 1) {
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  }
  const base::UniqueFd socket(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (socket.is_open()) (void)connect(socket.get(), reinterpret_cast<const sockaddr*>(&to), sizeof(to));
}

bool WantsOpenMetrics(const mg_connection* connection) {
  const char* accept = mg_get_header(connection, "Accept");
  return accept != nullptr && std::strstr(accept, "application/openmetrics-text") != nullptr;
}

}  // namespace

HttpEndpoint::HttpEndpoint(Options options, const feed::Hub& hub)
    : options_(std::move(options)),
      hub_(hub),
      backends_(hub, options_.findings),
      calls_(options_.calls),
      process_(options_.version, hub, options_.sources) {}

// civetweb's acceptor looks up when somebody connects, else every two seconds: somebody connects.
HttpEndpoint::~HttpEndpoint() {
  if (context_ == nullptr) return;
  std::atomic<bool> stopped{false};
  std::thread stopping([&] {
    mg_stop(context_);
    stopped.store(true);
  });
  while (!stopped.load()) {
    Knock(address_);
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  stopping.join();
}

absl::Status HttpEndpoint::CheckListen(const std::string& listen) {
  if (!CivetAddress(listen).starts_with('[') || mg_check_feature(MG_FEATURES_IPV6) != 0)
    return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("metrics.listen ", listen,
                   ": the HTTP library is built without IPv6, expected an IPv4 address or [::]"));
}

absl::StatusOr<std::unique_ptr<HttpEndpoint>> HttpEndpoint::Start(Options options, const feed::Hub& hub) {
  auto endpoint = std::unique_ptr<HttpEndpoint>(new HttpEndpoint(std::move(options), hub));
  const std::string address = CivetAddress(endpoint->options_.listen);
  if (absl::Status status = CheckListen(endpoint->options_.listen); !status.ok()) return status;
  // Somebody who connects and stays silent holds a thread for the request timeout: probes must not wait long
  // behind several of them. No linger_timeout_ms: with it a thread would wait in close() for slow readers.
  const std::string threads = absl::StrCat(kThreads);
  const char* settings[] = {"listening_ports",
                            address.c_str(),
                            "num_threads",
                            threads.c_str(),
                            "request_timeout_ms",
                            "1000",
                            "enable_keep_alive",
                            "no",
                            "tcp_nodelay",
                            "1",
                            nullptr};
  mg_callbacks callbacks{};
  callbacks.log_message = [](const mg_connection* connection, const char* message) {
    auto* self = static_cast<HttpEndpoint*>(mg_get_user_data(mg_get_context(connection)));
    // The first says why; those after it only what could not be done therefore.
    if (self != nullptr && self->context_ == nullptr && self->start_error_.empty())
      self->start_error_ = message;
    return 1;  // said by us, where it matters
  };
  mg_init_library(0);
  mg_context* context = mg_start(&callbacks, endpoint.get(), settings);
  if (context == nullptr) {
    return absl::UnavailableError(absl::StrCat("metrics.listen ", endpoint->options_.listen,
                                               ": cannot listen", endpoint->start_error_.empty() ? "" : ": ",
                                               endpoint->start_error_));
  }
  endpoint->context_ = context;
  endpoint->address_ = WithRealPort(context, address);
  mg_set_request_handler(
      context, "/",
      [](mg_connection* connection, void* self) {
        return static_cast<HttpEndpoint*>(self)->Handle(connection);
      },
      endpoint.get());
  return endpoint;
}

int HttpEndpoint::Handle(mg_connection* connection) const {
  const mg_request_info* request = mg_get_request_info(connection);
  const std::string_view method = request->request_method;
  if (method != "GET" && method != "HEAD")
    return Answer(connection, 405, kText, "GET only\n", "Allow: GET, HEAD\r\n");
  const std::string_view path = request->local_uri;
  if (path == "/metrics") return Metrics(connection);
  if (path == "/livez") return Probe(connection, options_.alive);
  if (path == "/readyz") {
    const std::string_view query = request->query_string != nullptr ? request->query_string : "";
    return Ready(connection, query == "backends" || query.starts_with("backends="));
  }
  return Site(connection, path);
}

int HttpEndpoint::Site(mg_connection* connection, std::string_view path) const {
  if (options_.site == nullptr)
    return Answer(connection, 404, kText, "not found; there is /metrics, /livez and /readyz\n");
  const std::string_view known = HeaderOf(connection, "If-None-Match");
  if (const HttpDocument* fixed = options_.site->Fixed(path); fixed != nullptr) {
    if (known != fixed->etag) return AnswerCompressed(connection, *fixed);
    HttpDocument same = *fixed;
    same.code = 304;
    return Answer(connection, same);
  }
  return AnswerAmong(documents_, kMaxDocuments, connection,
                     [&] { return MakeDocument(connection, path, known); });
}

int HttpEndpoint::MakeDocument(mg_connection* connection, std::string_view path,
                               std::string_view if_none_match) const {
  const char* query = mg_get_request_info(connection)->query_string;
  std::optional<HttpDocument> document =
      options_.site->Make({path, query == nullptr ? "" : query, HeaderOf(connection, "Host"), if_none_match,
                           AcceptsGzip(mg_get_header(connection, "Accept-Encoding"))});
  if (document) return AnswerCompressed(connection, *std::move(document));
  return Answer(connection, 404, kText,
                "not found; there is /metrics, /livez, /readyz, /debug/state.json and /\n");
}

int HttpEndpoint::Metrics(mg_connection* connection) const {
  return AnswerAmong(scrapes_, kMaxScrapes, connection,
                     [&] { return Scrape(connection, WantsOpenMetrics(connection)); });
}

int HttpEndpoint::Scrape(mg_connection* connection, bool open_metrics) const {
  const int64_t start_ns = base::MonotonicNanos();
  std::vector<prometheus::MetricFamily> families = backends_.Collect();
  for (const prometheus::Collectable* more : {static_cast<const prometheus::Collectable*>(&calls_),
                                              static_cast<const prometheus::Collectable*>(&process_)}) {
    std::vector<prometheus::MetricFamily> collected = more->Collect();
    std::move(collected.begin(), collected.end(), std::back_inserter(families));
  }
  HttpDocument document;
  document.content_type = open_metrics ? kOpenMetricsContentType : "text/plain; version=0.0.4; charset=utf-8";
  document.body = open_metrics ? OpenMetricsText(families)
                               : prometheus::TextSerializer().prometheus::Serializer::Serialize(families);
  process_.SetScrapeDuration(static_cast<double>(base::MonotonicNanos() - start_ns) / 1e9);
  return AnswerCompressed(connection, std::move(document));
}

int HttpEndpoint::Probe(mg_connection* connection, const Check& check) const {
  const std::string reason = check ? check() : "";
  if (reason.empty()) return Answer(connection, 200, kText, "ok\n");
  return Answer(connection, 503, kText, absl::StrCat(reason, "\n"));
}

int HttpEndpoint::Ready(mg_connection* connection, bool with_backends) const {
  return Probe(connection, [&] {
    std::string reason = options_.ready ? options_.ready() : "";
    if (!reason.empty() || !with_backends) return reason;
    return BackendsNotUp(!options_.loopback_names || IsLocalName(HeaderOf(connection, "Host")));
  });
}

std::string HttpEndpoint::BackendsNotUp(bool with_paths) const {
  std::string reason;
  hub_.Read([&](const feed::ReplicaView& view) {
    for (const auto& [id, backend] : view.backends) {
      if (backend->up()) continue;
      absl::StrAppend(&reason, reason.empty() ? "" : "\n", "back-end ", id, " is ",
                      state::BackendStateName(backend->status().state));
      if (backend->status().state != state::BackendState::kWaitingForFrontend) continue;
      reason += ": no VMM";
      if (with_paths) absl::StrAppend(&reason, " at ", backend->spec().frontend_socket);
    }
  });
  return reason;
}

}  // namespace shmemd::metrics
