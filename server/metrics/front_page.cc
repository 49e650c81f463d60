#include "server/metrics/front_page.h"

#include <absl/strings/str_cat.h>
#include <absl/strings/str_replace.h>

namespace shmemd::metrics {
namespace {

constexpr char kHead[] = R"(<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>shmemd</title>
<style>
:root{color-scheme:light dark}
body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:70rem;padding:0 1rem}
table{border-collapse:collapse;width:100%}
th,td{text-align:left;padding:.3rem .8rem .3rem 0;border-bottom:1px solid #8884}
td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}
</style></head><body><h1>shmemd</h1>
)";

std::string Escaped(std::string_view text) {
  return absl::StrReplaceAll(absl::string_view(text.data(), text.size()),
                             {{"&", "&amp;"}, {"<", "&lt;"}, {">", "&gt;"}, {"\"", "&quot;"}});
}

void AppendRegion(std::string& rows, const state::Backend& backend, const state::Region& region) {
  const auto size = region.table.size_bytes();
  absl::StrAppend(&rows, "<tr><td>", Escaped(backend.spec().id), "</td><td class=n>", region.status.shmid,
                  "</td><td class=n>", size ? absl::StrCat(*size) : "unknown", "</td><td class=n>",
                  region.table.totals().mapped_bytes, "</td><td class=n>",
                  region.table.totals().mapping_count, "</td></tr>\n");
}

}  // namespace

std::string FrontPageHtml(const feed::Hub& hub, std::string_view version) {
  std::string backends;
  std::string regions;
  hub.Read([&](const feed::ReplicaView& view) {
    for (const auto& [id, backend] : view.backends) {
      absl::StrAppend(&backends, "<tr><td>", Escaped(id), "</td><td>", state::ModeName(backend->spec().mode),
                      "</td><td>", state::BackendStateName(backend->status().state), "</td><td>",
                      Escaped(backend->spec().backend_socket), "</td></tr>\n");
      for (const auto& [shmid, region] : backend->regions()) {
        if (region.listed()) AppendRegion(regions, *backend, region);
      }
    }
  });
  return absl::StrCat(
      kHead, "<p>Version ", Escaped(version),
      ". <a href=\"/metrics\">/metrics</a> <a href=\"/livez\">/livez</a> "
      "<a href=\"/readyz\">/readyz</a> <a href=\"/readyz?backends\">/readyz?backends</a></p>\n"
      "<h2>Back-ends</h2><table><tr><th>id</th><th>mode</th><th>state</th><th>socket</th></tr>\n",
      backends,
      "</table>\n<h2>Regions</h2><table><tr><th>back-end</th><th class=n>shmid</th>"
      "<th class=n>size in bytes</th><th class=n>mapped bytes</th><th class=n>mappings</th></tr>\n",
      regions, "</table></body></html>\n");
}

}  // namespace shmemd::metrics
