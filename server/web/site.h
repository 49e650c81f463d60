// The pages for people on the metrics port, and /debug/state.json: which path is which document.
//
// Owned by the composition root; outlives the endpoint that serves it. Any thread. Each answer is made from
// copies; nothing is locked while it is sent. The port asks nobody who they are, so what is shown is what
// anyone who reaches it may know: docs/page.md.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "server/feed/hub.h"
#include "server/feed/server_findings.h"
#include "server/metrics/http_site.h"
#include "server/web/make_rate.h"
#include "server/web/parts.h"
#include "server/web/state_json.h"

namespace shmemd::web {

class Site : public metrics::HttpSite {
 public:
  struct Options {
    ServerFacts facts;
    std::string host_name;
    bool with_paths = false;      // socket paths, processes, identities of files, too
    bool loopback_names = false;  // answer only to names of this host: metrics/local_name.h
    const feed::ServerFindings* findings = nullptr;  // outlive the site
    int max_made_per_second = 20;                    // documents; 0: as many as are asked for
  };

  // `hub` outlives the site.
  Site(Options options, const feed::Hub& hub);

  const metrics::HttpDocument* Fixed(std::string_view path) const override;
  std::optional<metrics::HttpDocument> Make(const metrics::HttpQuestion& question) const override;

 private:
  std::optional<metrics::HttpDocument> MakeRegion(const metrics::HttpQuestion& question) const;
  // Of a path that there is.
  std::optional<metrics::HttpDocument> MakeNew(const metrics::HttpQuestion& question) const;
  metrics::HttpDocument Html(std::string body) const;
  std::string Etag() const;
  PageFrame Frame(std::string_view query) const;

  const Options options_;
  const feed::Hub& hub_;
  mutable MakeRate rate_;
  std::vector<std::pair<std::string, metrics::HttpDocument>> fixed_;
};

}  // namespace shmemd::web
