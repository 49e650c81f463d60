#include "server/web/state_json.h"

#include <absl/strings/str_cat.h>
#include <google/protobuf/util/json_util.h>

#include <algorithm>
#include <string_view>
#include <utility>
#include <vector>

#include "server/convert/backend.h"
#include "server/convert/finding.h"
#include "server/convert/region.h"
#include "server/convert/values.h"
#include "server/web/mapping_choice.h"
#include "server/web/redaction.h"
#include "vhost/shmem/v1/inspector.pb.h"

namespace shmemd::web {
namespace {

namespace v1 = ::vhost::shmem::v1;

constexpr size_t kAllFindings = 4096;

// What of a back-end goes into the document, copied while the replica is locked.
struct Copied {
  convert::BackendRecord backend;
  std::vector<convert::RegionRecord> regions;
  std::vector<state::Mapping> mappings;
  uint64_t mapping_count = 0;
};

// One list of the document.
class List {
 public:
  List(std::string_view name, size_t max_bytes) : name_(name), max_bytes_(max_bytes) {}

  template <typename Message>
  void Add(const Message& message) {
    std::string json;
    if (text_.size() > max_bytes_ || !google::protobuf::util::MessageToJsonString(message, &json).ok()) {
      ++omitted_;
      return;
    }
    absl::StrAppend(&text_, text_.empty() ? "\n  " : ",\n  ", json);
  }
  void Omit(uint64_t count) { omitted_ += count; }
  bool full() const { return text_.size() > max_bytes_; }

  std::string Text() const { return absl::StrCat(" \"", name_, "\": [", text_, "],\n"); }
  std::string Omitted() const { return absl::StrCat("\"", name_, "\": ", omitted_); }

 private:
  std::string name_;
  size_t max_bytes_;
  std::string text_;
  uint64_t omitted_ = 0;
};

class Document {
 public:
  Document(const feed::Hub& hub, bool with_paths, const StateJsonBounds& bounds)
      : hub_(hub),
        with_paths_(with_paths),
        max_mappings_(bounds.max_mappings),
        backends_("backends", bounds.backends_bytes),
        findings_("findings", bounds.findings_bytes - bounds.backends_bytes),
        regions_("regions", bounds.regions_bytes - bounds.findings_bytes),
        mappings_("mappings", bounds.mappings_bytes - bounds.regions_bytes) {}

  void AddServer(const ServerFacts& facts, const feed::ServerFindings* findings) {
    server_.set_version(facts.version);
    *server_.mutable_start_time() = convert::ToTimestamp(facts.start_time_ns);
    server_.set_host_page_size_bytes(convert::Saturated(facts.host_page_size_bytes));
    server_.set_max_mappings(convert::Saturated(facts.max_mappings));
    server_.set_max_window_bytes(convert::Saturated(facts.max_window_bytes));
    if (findings == nullptr) return;
    for (const state::ServerFinding& finding : findings->List(false)) {
      v1::Finding item = convert::ToProto(finding);
      if (!with_paths_) {
        item.clear_summary();
        item.clear_evidence();
      }
      findings_.Add(item);
    }
  }

  void AddBackends() {
    std::vector<std::string> ids;
    uint64_t regions = 0;
    hub_.Read([&](const feed::ReplicaView& view) {
      server_.set_revision(convert::Saturated(view.revision));
      server_.set_synced(view.synced);
      server_.set_backend_count(static_cast<int64_t>(view.backends.size()));
      for (const auto& [id, backend] : view.backends) {
        ids.push_back(id);
        for (const auto& [shmid, region] : backend->regions())
          if (region.table.totals().mapping_count > 0) ++regions;
      }
    });
    mappings_each_ = std::max<size_t>(max_mappings_ / std::max<uint64_t>(regions, 1), 1);
    for (const std::string& id : ids) Add(Copy(id));
  }

  std::string Text() const {
    std::string server;
    (void)google::protobuf::util::MessageToJsonString(server_, &server);
    return absl::StrCat("{\n \"serverInfo\": ", server, ",\n", backends_.Text(), findings_.Text(),
                        regions_.Text(), mappings_.Text(), " \"omitted\": {", backends_.Omitted(), ", ",
                        findings_.Omitted(), ", ", regions_.Omitted(), ", ", mappings_.Omitted(), "}\n}\n");
  }

 private:
  std::vector<Copied> Copy(const std::string& id) const {
    std::vector<Copied> out;
    hub_.Read([&](const feed::ReplicaView& view) {
      const state::Backend* backend = view.Find(id);
      if (backend == nullptr) return;
      Copied& copied = out.emplace_back();
      copied.backend = convert::CopyBackend(*backend, findings_.full() ? 0 : kAllFindings);
      copied.mapping_count = copied.backend.totals.mapping_count;
      for (const auto& [shmid, region] : backend->regions()) {
        if (!region.listed() || regions_.full()) continue;
        copied.regions.push_back(convert::CopyRegion(*backend, region, 0));
        if (mappings_.full()) continue;
        const std::vector<state::Mapping> chosen = ChooseMappings(region.table, mappings_each_);
        copied.mappings.insert(copied.mappings.end(), chosen.begin(), chosen.end());
      }
    });
    return out;
  }

  void Add(std::vector<Copied> copied) {
    for (Copied& one : copied) {
      std::vector<state::Finding> findings = std::exchange(one.backend.findings, {});
      v1::Backend item = convert::ToProto(one.backend);
      if (!with_paths_) Redact(item);
      backends_.Add(item);
      for (state::Finding& finding : findings) {
        if (!with_paths_) web::Redact(finding);
        findings_.Add(convert::ToProto(one.backend.spec.id, finding));
      }
      findings_.Omit(one.backend.totals.open_finding_count -
                     std::min<uint64_t>(findings.size(), one.backend.totals.open_finding_count));
      for (const convert::RegionRecord& region : one.regions) regions_.Add(convert::ToProto(region));
      regions_.Omit(one.backend.totals.region_count - one.regions.size());
      for (const state::Mapping& mapping : one.mappings) AddMapping(one.backend.spec.id, mapping);
      mappings_.Omit(one.mapping_count - one.mappings.size());
    }
  }

  void AddMapping(const std::string& id, const state::Mapping& mapping) {
    v1::Mapping item = convert::ToProto(convert::MappingRecord{id, mapping});
    if (!with_paths_) {
      item.mutable_backing()->clear_device();
      item.mutable_backing()->clear_inode();
    }
    mappings_.Add(item);
  }

  static void Redact(v1::Backend& backend) {
    backend.clear_backend_socket();
    backend.clear_frontend_socket();
    backend.clear_backend_process();
    backend.clear_frontend_process();
    backend.clear_listen_options();
  }

  const feed::Hub& hub_;
  const bool with_paths_;
  const size_t max_mappings_;
  size_t mappings_each_ = 0;
  v1::GetServerInfoResponse server_;
  List backends_;
  List findings_;
  List regions_;
  List mappings_;
};

}  // namespace

std::string StateJson(const feed::Hub& hub, const feed::ServerFindings* server_findings,
                      const ServerFacts& facts, bool with_paths, const StateJsonBounds& bounds) {
  Document document(hub, with_paths, bounds);
  document.AddServer(facts, server_findings);
  document.AddBackends();
  return document.Text();
}

}  // namespace shmemd::web
