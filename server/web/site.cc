#include "server/web/site.h"

#include <absl/strings/numbers.h>
#include <absl/strings/str_cat.h>

#include <algorithm>
#include <ctime>
#include <utility>

#include "server/base/clock.h"
#include "server/metrics/gzip.h"
#include "server/metrics/local_name.h"
#include "server/web/assets.h"
#include "server/web/overview_page.h"
#include "server/web/region_page.h"
#include "server/web/text.h"

namespace shmemd::web {
namespace {

// Nothing from elsewhere, nothing inline, no frame around it, no form.
constexpr char kPolicy[] =
    "Content-Security-Policy: default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'\r\n"
    "Cross-Origin-Resource-Policy: same-origin\r\n";
constexpr char kHtmlType[] = "text/html; charset=utf-8";

// FNV-1a: it names a version, it protects nothing.
uint64_t Fingerprint(std::string_view text, uint64_t seed = 0xcbf29ce484222325) {
  for (const char c : text) seed = (seed ^ static_cast<uint8_t>(c)) * 0x100000001b3;
  return seed;
}

metrics::HttpDocument Asset(const char* type, std::string_view body) {
  metrics::HttpDocument document;
  document.content_type = type;
  document.body = std::string(body);
  document.zipped = metrics::Gzip(body);
  document.headers = kPolicy;
  document.cache_control = "no-cache";
  document.etag = absl::StrCat("\"", absl::Hex(Fingerprint(body)), "\"");
  return document;
}

metrics::HttpDocument Refusal(int code, const char* body, const char* headers) {
  metrics::HttpDocument document;
  document.code = code;
  document.body = body;
  document.headers = headers;
  return document;
}

// What this thread has had of a core. A wait for the replica is nobody's work.
int64_t ThreadNanos() {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

// The rest of `text` after `prefix`; nullopt: it begins otherwise.
std::optional<std::string_view> After(std::string_view text, std::string_view prefix) {
  if (!text.starts_with(prefix)) return std::nullopt;
  return text.substr(prefix.size());
}

}  // namespace

Site::Site(Options options, const feed::Hub& hub)
    : options_(std::move(options)), hub_(hub), rate_(options_.max_made_per_second) {
  fixed_ = {{"/page.css", Asset("text/css; charset=utf-8", kPageCss)},
            {"/page.js", Asset("text/javascript; charset=utf-8", kPageJs)},
            {"/icon.svg", Asset("image/svg+xml", kIconSvg)}};
}

const metrics::HttpDocument* Site::Fixed(std::string_view path) const {
  const auto found =
      std::find_if(fixed_.begin(), fixed_.end(), [&](const auto& entry) { return entry.first == path; });
  return found == fixed_.end() ? nullptr : &found->second;
}

std::optional<metrics::HttpDocument> Site::Make(const metrics::HttpQuestion& question) const {
  if (question.path != "/" && question.path != "/debug/state.json" &&
      !question.path.starts_with("/backends/")) {
    return std::nullopt;
  }
  if (options_.loopback_names && !metrics::IsLocalName(question.host))
    return Refusal(421, "this port answers to localhost and to addresses only\n", "");
  std::string etag = Etag();
  std::optional<metrics::HttpDocument> document;
  if (question.if_none_match == etag) {
    document = Html("");
    document->code = 304;
  } else if (rate_.Take(base::MonotonicNanos())) {
    const int64_t begin_ns = ThreadNanos();
    document = MakeNew(question);
    if (document && question.gzip) document->zipped = metrics::Gzip(document->body);
    rate_.Charge(ThreadNanos() - begin_ns);
  } else {
    return Refusal(503, "busy: try again in a second\n", "Retry-After: 1\r\n");
  }
  if (document && document->code != 404) document->etag = std::move(etag);
  return document;
}

std::optional<metrics::HttpDocument> Site::MakeNew(const metrics::HttpQuestion& question) const {
  if (question.path == "/")
    return Html(OverviewPage(CollectOverview(hub_, options_.findings, options_.with_paths, {}),
                             Frame(question.query)));
  if (question.path != "/debug/state.json") return MakeRegion(question);
  metrics::HttpDocument json =
      Html(StateJson(hub_, options_.findings, options_.facts, options_.with_paths, {}));
  json.content_type = "application/json";
  return json;
}

std::optional<metrics::HttpDocument> Site::MakeRegion(const metrics::HttpQuestion& question) const {
  constexpr std::string_view kRegions = "/regions/";
  const std::string_view rest = *After(question.path, "/backends/");
  const size_t slash = rest.find(kRegions);
  if (slash == std::string_view::npos) return std::nullopt;
  const std::string_view id = rest.substr(0, slash);
  const std::string_view number = rest.substr(slash + kRegions.size());
  uint32_t shmid = 0;
  if (number.size() > 3 || number.find_first_not_of("0123456789") != std::string_view::npos ||
      !absl::SimpleAtoi(absl::string_view(number.data(), number.size()), &shmid) || shmid > 255) {
    return std::nullopt;
  }
  const std::optional<RegionDetail> detail =
      CollectRegion(hub_, id, static_cast<uint8_t>(shmid), options_.with_paths, {});
  if (detail) return Html(RegionPage(*detail, Frame(question.query)));
  const PageFrame frame = Frame(question.query);
  metrics::HttpDocument missing = Html(
      absl::StrCat(PageBegin(frame, "No such region - shmemd"),
                   "<p class=\"crumbs\"><a href=\"/\">&larr; All back-ends</a></p>\n<h1>", Escaped(id, 64),
                   ", region ", shmid,
                   "</h1>\n<section class=\"empty\"><h2>There is no such region</h2>\n"
                   "<p>The back-end was detached, or says nothing of this shmid any more.</p></section>\n",
                   PageEnd(frame)));
  missing.code = 404;
  return missing;
}

metrics::HttpDocument Site::Html(std::string body) const {
  metrics::HttpDocument document;
  document.content_type = kHtmlType;
  document.body = std::move(body);
  document.headers = kPolicy;
  return document;
}

// Names what is shown: the same until something changes.
std::string Site::Etag() const {
  uint64_t revision = 0;
  uint64_t epoch = 0;
  bool synced = true;
  hub_.Read([&](const feed::ReplicaView& view) {
    revision = view.revision;
    epoch = view.events.epoch();
    synced = view.synced;
  });
  int64_t findings = 0;
  if (options_.findings != nullptr) {
    for (const state::ServerFinding& finding : options_.findings->List(true))
      findings += finding.last_seen_ns + (finding.open ? 1 : 0);
  }
  return absl::StrCat("W/\"", absl::Hex(epoch), "-", revision, synced ? "-" : "~", absl::Hex(findings), "\"");
}

PageFrame Site::Frame(std::string_view query) const {
  return {options_.facts.version, options_.host_name, options_.with_paths, query != "refresh=off"};
}

}  // namespace shmemd::web
