#include "client/print/mapping_printer.h"

#include <absl/strings/str_cat.h>
#include <absl/strings/str_join.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <vector>

#include "client/print/resource_name.h"
#include "client/print/units.h"

namespace shmemd::client {
namespace {

namespace v1 = ::vhost::shmem::v1;

constexpr char kNone[] = "-";
constexpr int kIndent = 2;

std::string AccessText(v1::Mapping::Access access) {
  if (access == v1::Mapping::READ_WRITE) return "rw";
  return access == v1::Mapping::READ_ONLY ? "ro" : "?";
}

Cell StateCell(const v1::Mapping& mapping) {
  Color color = Color::kNone;
  if (mapping.state() == v1::Mapping::ASSUMED) color = Color::kYellow;
  if (mapping.state() == v1::Mapping::STALE) color = Color::kRed;
  return {v1::Mapping::State_Name(mapping.state()), color};
}

Cell FindingsCell(const v1::Mapping& mapping) {
  if (mapping.finding_codes().empty()) return {};
  return {absl::StrJoin(mapping.finding_codes(), ","), Color::kYellow};
}

std::string KindText(v1::Backing::Kind kind) {
  switch (kind) {
    case v1::Backing::MEMFD:
      return "memfd";
    case v1::Backing::HUGETLB:
      return "hugetlb";
    case v1::Backing::DMA_BUF:
      return "dma-buf";
    case v1::Backing::FILE:
      return "file";
    case v1::Backing::DEVICE:
      return "device";
    case v1::Backing::OTHER:
      return "other";
    default:
      return "unknown";
  }
}

std::string SealsText(const v1::Backing& backing) {
  std::vector<std::string> names;
  for (std::string name : backing.seals()) {
    if (name.starts_with("F_SEAL_")) name.erase(0, 7);
    names.push_back(std::move(name));
  }
  return names.empty() ? kNone : absl::StrJoin(names, ",");
}

std::string DescriptorText(v1::Backing::DescriptorAccess access) {
  return access == v1::Backing::DESCRIPTOR_ACCESS_UNSPECIFIED ? kNone
                                                              : v1::Backing::DescriptorAccess_Name(access);
}

std::vector<Column> Columns(bool wide) {
  std::vector<Column> columns = {{"REGION", Align::kLeft, 8},   {"OFFSET", Align::kRight},
                                 {"LENGTH", Align::kRight},     {"ACCESS", Align::kLeft},
                                 {"STATE", Align::kLeft},       {"FD OFFSET", Align::kRight, 0, true},
                                 {"BACKING", Align::kLeft, 15}, {"FINDINGS", Align::kLeft, 13}};
  if (!wide) return columns;
  columns.insert(columns.end(), {{"FILE SIZE", Align::kRight},
                                 {"SEALS", Align::kLeft},
                                 {"FD ACCESS", Align::kLeft},
                                 {"FLAGS", Align::kRight},
                                 {"UNMAP PENDING", Align::kLeft},
                                 {"IN MEMORY TABLE", Align::kLeft},
                                 {"REQUESTED", Align::kLeft},
                                 {"ACK LATENCY", Align::kRight},
                                 {"UID", Align::kLeft}});
  return columns;
}

std::vector<Cell> Cells(const v1::Mapping& mapping, const PrintStyle& style) {
  const std::string name = ShortName(mapping.name());
  const v1::Backing& backing = mapping.backing();
  std::vector<Cell> cells = {name.substr(0, name.rfind('/')),
                             FormatHex(mapping.shm_offset_bytes()),
                             FormatBytes(mapping.length_bytes(), style.bytes),
                             AccessText(mapping.access()),
                             StateCell(mapping),
                             FormatHex(mapping.fd_offset_bytes()),
                             DescribeBacking(backing),
                             FindingsCell(mapping)};
  if (!style.wide) return cells;
  cells.insert(
      cells.end(),
      {backing.has_size_bytes() ? FormatBytes(backing.size_bytes(), style.bytes) : kNone, SealsText(backing),
       DescriptorText(backing.access()), FormatHex(static_cast<int64_t>(mapping.raw_flags())),
       std::string(mapping.unmap_pending() ? "yes" : "no"),
       v1::Mapping::InMemoryTable_Name(mapping.in_memory_table()),
       mapping.has_request_time() ? FormatTime(mapping.request_time()) : kNone,
       mapping.has_ack_latency() ? FormatDuration(mapping.ack_latency()) : kNone, mapping.uid()});
  return cells;
}

}  // namespace

std::string DescribeBacking(const v1::Backing& backing) {
  std::string text = KindText(backing.kind());
  const bool on_disk = backing.kind() == v1::Backing::FILE;
  if (on_disk)
    absl::StrAppend(&text, " ", gnu_dev_major(backing.device()), ":", gnu_dev_minor(backing.device()));
  if (backing.inode() != 0) absl::StrAppend(&text, " ino ", backing.inode());
  return text;
}

std::string RenderMappings(const AnsweredList<v1::ListMappingsResponse>& answers, const PrintStyle& style) {
  Table table(Columns(style.wide));
  for (const auto& [endpoint, answer] : answers) {
    table.SetEndpoint(endpoint);
    for (const v1::Mapping& mapping : answer->mappings()) table.AddRow(Cells(mapping, style));
  }
  return table.Render(style);
}

std::string RenderLookup(const v1::LookupMappingResponse& found, const PrintStyle& style) {
  v1::ListMappingsResponse one;
  *one.add_mappings() = found.mapping();
  return absl::StrCat(RenderMappings(one, style), style.headers ? "\n" : "", "in the file at ",
                      FormatHex(found.fd_offset_bytes()), ", ",
                      FormatBytes(found.remaining_bytes(), style.bytes), " of the mapping from there on\n");
}

std::string RenderMappingLines(const v1::ListMappingsResponse& mappings, const PrintStyle& style) {
  Table table(
      {{"", Align::kRight}, {"", Align::kRight}, {""}, {"", Align::kLeft, 10}, {"", Align::kLeft, 8}});
  for (const v1::Mapping& mapping : mappings.mappings()) {
    Cell odd = FindingsCell(mapping);
    if (mapping.state() != v1::Mapping::MAPPED) {
      odd = {absl::StrCat(v1::Mapping::State_Name(mapping.state()), odd.text.empty() ? "" : ",", odd.text),
             StateCell(mapping).color};
    }
    table.AddRow({FormatHex(mapping.shm_offset_bytes()), FormatBytes(mapping.length_bytes(), style.bytes),
                  AccessText(mapping.access()), DescribeBacking(mapping.backing()), odd});
  }
  PrintStyle lines = style;
  lines.headers = false;
  lines.wide = false;
  if (lines.terminal.width > kIndent) lines.terminal.width -= kIndent;
  std::string text;
  std::string rendered = table.Render(lines);
  for (size_t begin = 0; begin < rendered.size();) {
    const size_t end = rendered.find('\n', begin) + 1;
    absl::StrAppend(&text, "  ", rendered.substr(begin, end - begin));
    begin = end;
  }
  return text;
}

}  // namespace shmemd::client
