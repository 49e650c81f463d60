// What the HTTP endpoint serves beside metrics and probes: documents that somebody else makes.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace shmemd::metrics {

struct HttpQuestion {
  std::string_view path;   // decoded
  std::string_view query;  // as sent, without "?"
  std::string_view host;   // the Host header; empty: none
  std::string_view if_none_match;
  bool gzip = false;  // it would take `zipped`
};

struct HttpDocument {
  int code = 200;
  std::string content_type = "text/plain; charset=utf-8";
  std::string body;
  std::string zipped;   // the body as gzip, made once; empty: made when somebody asks for it
  std::string headers;  // whole lines, besides those that every answer has
  std::string cache_control = "no-store";
  std::string etag;  // with its quotes; empty: none
};

// Outlives the endpoint. Called by its threads, several at a time.
class HttpSite {
 public:
  virtual ~HttpSite() = default;

  // Small and never changing; nullptr: not this path.
  virtual const HttpDocument* Fixed(std::string_view path) const = 0;
  // Made for this question, in milliseconds; nullopt: nothing is there. The endpoint has few of them made at
  // a time, so that probes and scrapes never wait for them.
  virtual std::optional<HttpDocument> Make(const HttpQuestion& question) const = 0;
};

}  // namespace shmemd::metrics
