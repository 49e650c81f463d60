// The HTTP side on civetweb: /metrics for Prometheus, /livez and /readyz for probes, and a site for people.
//
// Owned by the composition root. civetweb's own threads answer; they read the replica and nothing else.
// Documents of the site and scrapes hold so many of them at most that some are always left for probes,
// whoever reads slowly; and nobody holds one for longer than a few seconds.
#pragma once

#include <absl/status/statusor.h>
#include <prometheus/collectable.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "server/feed/hub.h"
#include "server/metrics/backend_collectable.h"
#include "server/metrics/call_collectable.h"
#include "server/metrics/http_site.h"
#include "server/metrics/process_collectable.h"

struct mg_context;
struct mg_connection;

namespace shmemd::metrics {

class HttpEndpoint {
 public:
  // One reason a probe fails, in words; empty: healthy.
  using Check = std::function<std::string()>;

  struct Options {
    std::string listen;                      // "127.0.0.1:18044", "[::]:18044", ":18044", "127.0.0.1:0"
    std::string version;                     // of shmemd
    Check alive;                             // /livez
    Check ready;                             // /readyz
    const feed::CallStats* calls = nullptr;  // of the API; outlives the endpoint
    ProcessCollectable::Sources sources = {};
    const feed::ServerFindings* findings = nullptr;  // about shmemd itself; outlive the endpoint
    const HttpSite* site = nullptr;  // outlives the endpoint; nullptr: metrics and probes only
    // On a loopback address: who asks by a name that is not of this host is told no path.
    bool loopback_names = false;
  };

  // Binds and starts to answer. `[::]` falls back to 0.0.0.0 where civetweb has no IPv6 (Debian's has none).
  // Errors name the address. `hub` outlives the object.
  static absl::StatusOr<std::unique_ptr<HttpEndpoint>> Start(Options options, const feed::Hub& hub);
  // What Start would refuse of an address without opening anything.
  static absl::Status CheckListen(const std::string& listen);
  ~HttpEndpoint();  // waits for answers under way
  HttpEndpoint(const HttpEndpoint&) = delete;
  HttpEndpoint& operator=(const HttpEndpoint&) = delete;

  // Where it listens, e.g. "127.0.0.1:18044"; the port is the real one where 0 was asked for.
  const std::string& address() const { return address_; }

 private:
  HttpEndpoint(Options options, const feed::Hub& hub);

  int Handle(mg_connection* connection) const;
  int Metrics(mg_connection* connection) const;
  int Scrape(mg_connection* connection, bool open_metrics) const;
  int Probe(mg_connection* connection, const Check& check) const;
  int Ready(mg_connection* connection, bool with_backends) const;
  int Site(mg_connection* connection, std::string_view path) const;
  int MakeDocument(mg_connection* connection, std::string_view path, std::string_view if_none_match) const;
  std::string BackendsNotUp(bool with_paths) const;

  const Options options_;
  const feed::Hub& hub_;
  const BackendCollectable backends_;
  const CallCollectable calls_;
  mutable ProcessCollectable process_;
  // Being made or sent.
  mutable std::atomic<int> documents_{0};  // of the site
  mutable std::atomic<int> scrapes_{0};
  std::string address_;
  std::string start_error_;  // what civetweb said first while starting
  mg_context* context_ = nullptr;
};

}  // namespace shmemd::metrics
