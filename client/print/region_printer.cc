#include "client/print/region_printer.h"

#include <absl/strings/str_cat.h>

#include <vector>

#include "client/print/resource_name.h"
#include "client/print/units.h"

namespace shmemd::client {
namespace {

namespace v1 = ::vhost::shmem::v1;

constexpr char kNone[] = "-";

std::vector<Column> Columns(bool wide) {
  std::vector<Column> columns = {{"BACKEND", Align::kLeft, 8},        {"SHMID", Align::kRight},
                                 {"ROLE", Align::kLeft, 0, true},     {"SIZE", Align::kRight},
                                 {"MAPPED", Align::kRight},           {"USED", Align::kRight},
                                 {"MAPPINGS", Align::kRight},         {"HOLES", Align::kRight, 0, true},
                                 {"LARGEST", Align::kRight, 0, true}, {"AT RISK", Align::kRight}};
  if (!wide) return columns;
  columns.insert(columns.end(), {{"FREE", Align::kRight},
                                 {"PEAK", Align::kRight},
                                 {"WRITABLE", Align::kRight},
                                 {"ASSUMED", Align::kRight},
                                 {"STALE", Align::kRight},
                                 {"MAPS", Align::kRight},
                                 {"MAPS FAILED", Align::kRight},
                                 {"UNMAPS", Align::kRight},
                                 {"UNMAPS FAILED", Align::kRight},
                                 {"MAPPED IN ALL", Align::kRight},
                                 {"EXPOSED"},
                                 {"UPDATED"}});
  return columns;
}

Cell Count(bool known, int64_t count) { return {known ? absl::StrCat(count) : kNone}; }

std::string Exposed(const v1::Region& region) {
  return region.exposed_by_frontend() == v1::Region::EXPOSED_BY_FRONTEND_UNSPECIFIED
             ? kNone
             : v1::Region::ExposedByFrontend_Name(region.exposed_by_frontend());
}

std::vector<Cell> Cells(const v1::Region& region, const PrintStyle& style) {
  const auto bytes = [&style](bool known, int64_t value) {
    return Cell(known ? FormatBytes(value, style.bytes) : kNone);
  };
  Cell at_risk = bytes(region.has_at_risk_bytes(), region.at_risk_bytes());
  if (region.at_risk_bytes() > 0) at_risk.color = Color::kRed;
  Cell stale = bytes(region.has_stale_bytes(), region.stale_bytes());
  if (region.stale_bytes() > 0) stale.color = Color::kRed;
  const bool used_known = region.has_size_bytes() && region.has_mapped_bytes();
  std::vector<Cell> cells = {
      BackendId(region.name()),
      Count(region.has_shmid(), region.shmid()),
      region.role().empty() ? kNone : region.role(),
      region.has_size_bytes() ? Cell(FormatBytes(region.size_bytes(), style.bytes))
                              : Cell("unknown", Color::kYellow),
      bytes(region.has_mapped_bytes(), region.mapped_bytes()),
      used_known ? UsedCell(region.mapped_bytes(), region.size_bytes()) : Cell(kNone),
      Count(region.has_mapping_count(), region.mapping_count()),
      Count(region.has_free_extent_count(), region.free_extent_count()),
      bytes(region.has_largest_free_extent_bytes(), region.largest_free_extent_bytes()),
      at_risk};
  if (!style.wide) return cells;
  cells.insert(cells.end(), {bytes(region.has_free_bytes(), region.free_bytes()),
                             bytes(region.has_peak_mapped_bytes(), region.peak_mapped_bytes()),
                             bytes(region.has_writable_mapped_bytes(), region.writable_mapped_bytes()),
                             bytes(region.has_assumed_bytes(), region.assumed_bytes()), stale,
                             Count(region.has_map_request_count(), region.map_request_count()),
                             Count(region.has_map_failure_count(), region.map_failure_count()),
                             Count(region.has_unmap_request_count(), region.unmap_request_count()),
                             Count(region.has_unmap_failure_count(), region.unmap_failure_count()),
                             bytes(region.has_map_bytes_total(), region.map_bytes_total()), Exposed(region),
                             region.has_update_time() ? FormatTime(region.update_time()) : kNone});
  return cells;
}

}  // namespace

Cell UsedCell(int64_t mapped, int64_t size) {
  Color color = Color::kNone;
  // Whole tenths: what is nearly 90 % is not.
  if (size > 0 && mapped >= size - size / 10) color = Color::kYellow;
  if (size > 0 && mapped >= size) color = Color::kRed;
  return {FormatShare(mapped, size), color};
}

std::string RenderRegions(const AnsweredList<v1::ListRegionsResponse>& answers, const PrintStyle& style) {
  Table table(Columns(style.wide));
  for (const auto& [endpoint, answer] : answers) {
    table.SetEndpoint(endpoint);
    for (const v1::Region& region : answer->regions()) table.AddRow(Cells(region, style));
  }
  return table.Render(style);
}

}  // namespace shmemd::client
