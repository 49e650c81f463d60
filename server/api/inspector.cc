#include "server/api/inspector.h"

#include <absl/strings/str_cat.h>

#include <algorithm>
#include <optional>
#include <utility>
#include <variant>
#include <vector>

#include "server/api/errors.h"
#include "server/api/event_list.h"
#include "server/api/list_page.h"
#include "server/api/mapping_query.h"
#include "server/api/page.h"
#include "server/api/page_token.h"
#include "server/api/resource_name.h"
#include "server/convert/backend.h"
#include "server/convert/event.h"
#include "server/convert/finding.h"
#include "server/convert/layout.h"
#include "server/convert/region.h"
#include "server/convert/resource_names.h"
#include "server/convert/values.h"

namespace shmemd::api {
namespace {

constexpr int kDefaultExtents = 256;
constexpr int kMaxExtents = 4096;

// How many findings an item brings along.
size_t FindingsOf(v1::View view, v1::View unspecified) {
  return (view == v1::VIEW_UNSPECIFIED ? unspecified : view) == v1::VIEW_FULL ? kMaxFindingsOfItem : 0;
}

// Names a list and what selects its items, for its page tokens.
std::string RequestKey(const char* list, const std::string& parent, bool flag = false) {
  return absl::StrCat(list, "\n", parent, flag ? "\n1" : "\n0");
}

// Filter, order and parent of a list of mappings.
grpc::Status ParseQuery(const v1::ListMappingsRequest& request, MappingQuery& query) {
  absl::StatusOr<Scope> scope = ParseRegionParent(request.parent());
  if (!scope.ok()) return InvalidName(scope.status());
  absl::StatusOr<MappingFilter> filter = MappingFilter::Parse(request.filter());
  if (!filter.ok()) return Invalid(Reason::kFilterInvalid, filter.status());
  const absl::StatusOr<MappingOrder> order = ParseMappingOrder(request.order_by());
  if (!order.ok()) return Invalid(Reason::kOrderByInvalid, order.status());
  query = {*std::move(scope), *std::move(filter), *order};
  return grpc::Status::OK;
}

grpc::Status RegionNotShown(const RegionId& id, const state::Backend& backend) {
  const ErrorMetadata metadata{{"backend", id.backend_id}, {"shmid", absl::StrCat(id.shmid)}};
  if (backend.status().config.source == state::ConfigSource::kNotSeen) {
    return Error(
        grpc::StatusCode::NOT_FOUND, Reason::kRegionNotFound,
        absl::StrCat("back-end ", id.backend_id, ": the sizes of its regions are not known, and nothing is ",
                     "mapped into shmid ", id.shmid),
        metadata);
  }
  return Error(grpc::StatusCode::NOT_FOUND, Reason::kRegionUnused,
               absl::StrCat("back-end ", id.backend_id, " reports no size for shmid ", id.shmid), metadata);
}

grpc::Status NothingMapped(const RegionId& id, uint64_t offset) {
  const std::string hex = absl::StrCat("0x", absl::Hex(offset));
  return Error(
      grpc::StatusCode::NOT_FOUND, Reason::kMappingNotFound,
      absl::StrCat("back-end ", id.backend_id, ": nothing is mapped at ", hex, " of shmid ", id.shmid),
      {{"backend", id.backend_id}, {"shmid", absl::StrCat(id.shmid)}, {"shm_offset", hex}});
}

// OK and both set, or the error.
grpc::Status FindRegion(const feed::ReplicaView& view, const RegionId& id, const state::Backend*& backend,
                        const state::Region*& region) {
  backend = view.Find(id.backend_id);
  if (backend == nullptr) return BackendNotFound(id.backend_id);
  region = backend->FindRegion(id.shmid);
  if (region == nullptr || !region->listed()) return RegionNotShown(id, *backend);
  return grpc::Status::OK;
}

// Whether what a parent names is there; a wildcard always is.
grpc::Status CheckScope(const feed::ReplicaView& view, const Scope& scope) {
  if (!scope.backend_id) return grpc::Status::OK;
  if (view.Find(*scope.backend_id) == nullptr) return BackendNotFound(*scope.backend_id);
  if (!scope.shmid) return grpc::Status::OK;
  const state::Backend* backend = nullptr;
  const state::Region* region = nullptr;
  return FindRegion(view, {*scope.backend_id, *scope.shmid}, backend, region);
}

// Those of the server come first: their back-end's id is empty.
using ListedFinding = std::variant<state::ServerFinding, convert::FindingRecord>;

PageKey KeyOfListed(const ListedFinding& finding) {
  if (const auto* of_server = std::get_if<state::ServerFinding>(&finding)) {
    return {"", state::kWholeBackend, static_cast<uint64_t>(of_server->code)};
  }
  return KeyOf(std::get<convert::FindingRecord>(finding));
}

std::vector<ListedFinding> OfServer(const std::vector<state::ServerFinding>& findings,
                                    const PageRange& range) {
  std::vector<ListedFinding> out;
  for (const state::ServerFinding& finding : findings) {
    const bool told = range.after && (!range.after->backend_id.empty() ||
                                      range.after->rank >= static_cast<uint64_t>(finding.code));
    if (!told) out.emplace_back(finding);
  }
  return out;
}

}  // namespace

Inspector::Inspector(ReplicaReader reader, ServerFacts facts, const feed::ServerFindings& findings)
    : reader_(std::move(reader)), facts_(std::move(facts)), findings_(findings) {}

grpc::Status Inspector::GetServerInfo(const v1::GetServerInfoRequest&,
                                      v1::GetServerInfoResponse& response) const {
  response.set_version(facts_.version);
  *response.mutable_start_time() = convert::ToTimestamp(facts_.start_time_ns);
  response.set_host_page_size_bytes(convert::Saturated(facts_.host_page_size_bytes));
  response.set_max_mappings(convert::Saturated(facts_.max_mappings));
  response.set_max_window_bytes(convert::Saturated(facts_.max_window_bytes));
  reader_([&](const feed::ReplicaView& view) {
    response.set_revision(convert::Saturated(view.revision));
    response.set_synced(view.synced);
    response.set_backend_count(static_cast<int64_t>(view.backends.size()));
  });
  return grpc::Status::OK;
}

grpc::Status Inspector::ListBackends(const v1::ListBackendsRequest& request,
                                     v1::ListBackendsResponse& response) const {
  const std::string key = RequestKey("backends", "");
  PageRange range;
  if (grpc::Status status = ParseRange(request, key, range); !status.ok()) return status;
  std::vector<convert::BackendRecord> records;
  reader_([&](const feed::ReplicaView& view) {
    records = CopyBackends(view, range, FindingsOf(request.view(), v1::VIEW_BASIC));
  });
  response.set_next_page_token(FillPage(records, range, key, [&](const convert::BackendRecord& record) {
    v1::Backend& item = *response.add_backends();
    item = convert::ToProto(record);
    return item.ByteSizeLong();
  }));
  return grpc::Status::OK;
}

grpc::Status Inspector::GetBackend(const v1::GetBackendRequest& request, v1::Backend& response) const {
  const absl::StatusOr<std::string> id = ParseBackendName(request.name());
  if (!id.ok()) return InvalidName(id.status());
  std::optional<convert::BackendRecord> record;
  reader_([&](const feed::ReplicaView& view) {
    const state::Backend* backend = view.Find(*id);
    if (backend != nullptr)
      record = convert::CopyBackend(*backend, FindingsOf(request.view(), v1::VIEW_FULL));
  });
  if (!record) return BackendNotFound(*id);
  response = convert::ToProto(*record);
  return grpc::Status::OK;
}

grpc::Status Inspector::ListRegions(const v1::ListRegionsRequest& request,
                                    v1::ListRegionsResponse& response) const {
  const absl::StatusOr<Scope> scope = ParseBackendParent(request.parent());
  if (!scope.ok()) return InvalidName(scope.status());
  const std::string key = RequestKey("regions", request.parent());
  PageRange range;
  if (grpc::Status status = ParseRange(request, key, range); !status.ok()) return status;
  grpc::Status status;
  std::vector<convert::RegionRecord> records;
  reader_([&](const feed::ReplicaView& view) {
    status = CheckScope(view, *scope);
    if (status.ok()) records = CopyRegions(view, *scope, range, FindingsOf(request.view(), v1::VIEW_BASIC));
  });
  response.set_next_page_token(FillPage(records, range, key, [&](const convert::RegionRecord& record) {
    v1::Region& item = *response.add_regions();
    item = convert::ToProto(record);
    return item.ByteSizeLong();
  }));
  return status;
}

grpc::Status Inspector::GetRegion(const v1::GetRegionRequest& request, v1::Region& response) const {
  const absl::StatusOr<RegionId> id = ParseRegionName(request.name());
  if (!id.ok()) return InvalidName(id.status());
  grpc::Status status;
  convert::RegionRecord record;
  reader_([&](const feed::ReplicaView& view) {
    const state::Backend* backend = nullptr;
    const state::Region* region = nullptr;
    status = FindRegion(view, *id, backend, region);
    if (status.ok())
      record = convert::CopyRegion(*backend, *region, FindingsOf(request.view(), v1::VIEW_FULL));
  });
  if (status.ok()) response = convert::ToProto(record);
  return status;
}

grpc::Status Inspector::GetRegionLayout(const v1::GetRegionLayoutRequest& request,
                                        v1::GetRegionLayoutResponse& response) const {
  const absl::StatusOr<RegionId> id = ParseRegionName(request.name());
  if (!id.ok()) return InvalidName(id.status());
  if (request.max_extents() < 0)
    return Negative("max_extents", Reason::kMaxExtentsInvalid, request.max_extents());
  const int max = request.max_extents() == 0 ? kDefaultExtents : std::min(request.max_extents(), kMaxExtents);
  grpc::Status status;
  convert::RegionRecord record;
  convert::Layout layout;
  reader_([&](const feed::ReplicaView& view) {
    const state::Backend* backend = nullptr;
    const state::Region* region = nullptr;
    status = FindRegion(view, *id, backend, region);
    if (!status.ok()) return;
    record = convert::CopyRegion(*backend, *region, 0);
    layout = convert::MakeLayout(region->table, backend->page_size(), static_cast<size_t>(max));
  });
  if (!status.ok()) return status;
  *response.mutable_region() = convert::ToProto(record);
  for (const convert::Extent& extent : layout.extents) *response.add_extents() = convert::ToProto(extent);
  response.set_coarse(layout.coarse);
  return grpc::Status::OK;
}

grpc::Status Inspector::ListMappings(const v1::ListMappingsRequest& request,
                                     v1::ListMappingsResponse& response) const {
  MappingQuery query;
  if (grpc::Status status = ParseQuery(request, query); !status.ok()) return status;
  const std::string key = absl::StrCat(RequestKey("mappings", request.parent()), "\n", request.filter(), "\n",
                                       request.order_by());
  PageRange range;
  if (grpc::Status status = ParseRange(request, key, range); !status.ok()) return status;
  grpc::Status status;
  reader_([&](const feed::ReplicaView& view) { status = CheckScope(view, query.scope); });
  if (!status.ok()) return status;
  const std::vector<convert::MappingRecord> records = SelectMappings(reader_, query, range);
  response.set_next_page_token(FillPage(
      records, range, key,
      [&query](const convert::MappingRecord& record) { return KeyOf(record, query.order); },
      [&response](const convert::MappingRecord& record) {
        v1::Mapping& item = *response.add_mappings();
        item = convert::ToProto(record);
        return item.ByteSizeLong();
      }));
  return grpc::Status::OK;
}

grpc::Status Inspector::LookupMapping(const v1::LookupMappingRequest& request,
                                      v1::LookupMappingResponse& response) const {
  const absl::StatusOr<RegionId> id = ParseRegionName(request.name());
  if (!id.ok()) return InvalidName(id.status());
  if (request.shm_offset_bytes() < 0) {
    return Error(grpc::StatusCode::INVALID_ARGUMENT, Reason::kOffsetInvalid,
                 absl::StrCat("shm_offset_bytes: expected 0 or more, got ", request.shm_offset_bytes()));
  }
  const auto offset = static_cast<uint64_t>(request.shm_offset_bytes());
  grpc::Status status;
  std::optional<state::Mapping> mapping;
  reader_([&](const feed::ReplicaView& view) {
    const state::Backend* backend = nullptr;
    const state::Region* region = nullptr;
    status = FindRegion(view, *id, backend, region);
    if (status.ok()) mapping = region->table.Find(offset);
  });
  if (!status.ok()) return status;
  if (!mapping) return NothingMapped(*id, offset);
  const uint64_t into = offset - mapping->shm_offset;
  *response.mutable_mapping() = convert::ToProto(convert::MappingRecord{id->backend_id, *mapping});
  response.set_fd_offset_bytes(convert::SaturatedSum(mapping->fd_offset, into));
  response.set_remaining_bytes(convert::Saturated(mapping->len - into));
  return grpc::Status::OK;
}

grpc::Status Inspector::ListFindings(const v1::ListFindingsRequest& request,
                                     v1::ListFindingsResponse& response) const {
  const absl::StatusOr<Scope> scope = ParseBackendParent(request.parent());
  if (!scope.ok()) return InvalidName(scope.status());
  const std::string key = RequestKey("findings", request.parent(), request.include_closed());
  PageRange range;
  if (grpc::Status status = ParseRange(request, key, range); !status.ok()) return status;
  grpc::Status status;
  std::vector<ListedFinding> listed;
  if (request.parent().empty()) listed = OfServer(findings_.List(request.include_closed()), range);
  reader_([&](const feed::ReplicaView& view) {
    status = CheckScope(view, *scope);
    if (!status.ok()) return;
    for (auto& record : CopyFindings(view, *scope, range, request.include_closed())) {
      listed.emplace_back(std::move(record));
    }
  });
  const auto add = [&](const ListedFinding& finding) {
    v1::Finding& item = *response.add_findings();
    item = std::visit([](const auto& one) { return convert::ToProto(one); }, finding);
    return item.ByteSizeLong();
  };
  response.set_next_page_token(FillPage(listed, range, key, KeyOfListed, add));
  return status;
}

grpc::Status Inspector::ListEvents(const v1::ListEventsRequest& request,
                                   v1::ListEventsResponse& response) const {
  absl::StatusOr<Scope> scope = ParseRegionParent(request.parent());
  if (!scope.ok()) return InvalidName(scope.status());
  const absl::StatusOr<uint64_t> types = ParseEventTypes(request.types());
  if (!types.ok()) return Invalid(Reason::kEventTypeInvalid, types.status());
  EventFilter filter{*std::move(scope), *types};
  if (request.has_since()) filter.since_ns = convert::FromTimestamp(request.since());
  // Revisions start anew with the process, so a token is good for one process only.
  uint64_t epoch = 0;
  reader_([&](const feed::ReplicaView& view) { epoch = view.events.epoch(); });
  const std::string key =
      absl::StrCat(RequestKey("events", request.parent()), "\n", *types, "\n", filter.since_ns, "\n", epoch);
  PageRange range;
  if (grpc::Status status = ParseRange(request, key, range); !status.ok()) return status;
  std::vector<state::LogEntry> entries;
  uint64_t after = range.after ? range.after->rank : 0;
  for (bool more = true; more;) {
    reader_(
        [&](const feed::ReplicaView& view) { more = CopyEvents(view, filter, range.limit, after, entries); });
  }
  response.set_next_page_token(FillPage(
      entries, range, key,
      [](const state::LogEntry& entry) {
        return PageKey{{}, 0, entry.revision};
      },
      [&response](const state::LogEntry& entry) {
        v1::Event& item = *response.add_events();
        item = convert::ToProto(entry);
        return item.ByteSizeLong();
      }));
  return grpc::Status::OK;
}

}  // namespace shmemd::api
