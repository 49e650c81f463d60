#include "server/convert/region.h"

#include <absl/strings/str_cat.h>
#include <linux/fcntl.h>

#include <array>
#include <utility>

#include "server/convert/finding.h"
#include "server/convert/resource_names.h"
#include "server/convert/values.h"

namespace shmemd::convert {
namespace {

v1::Region::ExposedByFrontend EnumToProto(state::Exposed exposed) {
  switch (exposed) {
    case state::Exposed::kUnknown:
      return v1::Region::UNKNOWN;
    case state::Exposed::kYes:
      return v1::Region::YES;
    case state::Exposed::kNo:
      return v1::Region::NO;
  }
  return v1::Region::EXPOSED_BY_FRONTEND_UNSPECIFIED;
}

v1::Mapping::State EnumToProto(state::MappingState state) {
  switch (state) {
    case state::MappingState::kMapped:
      return v1::Mapping::MAPPED;
    case state::MappingState::kAssumed:
      return v1::Mapping::ASSUMED;
    case state::MappingState::kStale:
      return v1::Mapping::STALE;
  }
  return v1::Mapping::STATE_UNSPECIFIED;
}

v1::Mapping::InMemoryTable EnumToProto(state::InMemoryTable seen) {
  switch (seen) {
    case state::InMemoryTable::kUnknown:
      return v1::Mapping::UNKNOWN;
    case state::InMemoryTable::kYes:
      return v1::Mapping::YES;
    case state::InMemoryTable::kNo:
      return v1::Mapping::NO;
  }
  return v1::Mapping::IN_MEMORY_TABLE_UNSPECIFIED;
}

v1::Backing::Kind EnumToProto(base::FdKind kind) {
  switch (kind) {
    case base::FdKind::kUnknown:
      return v1::Backing::KIND_UNSPECIFIED;
    case base::FdKind::kMemfd:
      return v1::Backing::MEMFD;
    case base::FdKind::kHugetlb:
      return v1::Backing::HUGETLB;
    case base::FdKind::kDmaBuf:
      return v1::Backing::DMA_BUF;
    case base::FdKind::kFile:
      return v1::Backing::FILE;
    case base::FdKind::kDevice:
      return v1::Backing::DEVICE;
    case base::FdKind::kOther:
      return v1::Backing::OTHER;
  }
  return v1::Backing::KIND_UNSPECIFIED;
}

v1::Backing::DescriptorAccess EnumToProto(base::FdAccess access) {
  switch (access) {
    case base::FdAccess::kUnknown:
      return v1::Backing::DESCRIPTOR_ACCESS_UNSPECIFIED;
    case base::FdAccess::kReadOnly:
      return v1::Backing::READ_ONLY;
    case base::FdAccess::kWriteOnly:
      return v1::Backing::WRITE_ONLY;
    case base::FdAccess::kReadWrite:
      return v1::Backing::READ_WRITE;
  }
  return v1::Backing::DESCRIPTOR_ACCESS_UNSPECIFIED;
}

constexpr std::array<std::pair<uint32_t, const char*>, 6> kSeals{{
    {F_SEAL_SEAL, "F_SEAL_SEAL"},
    {F_SEAL_SHRINK, "F_SEAL_SHRINK"},
    {F_SEAL_GROW, "F_SEAL_GROW"},
    {F_SEAL_WRITE, "F_SEAL_WRITE"},
    {F_SEAL_FUTURE_WRITE, "F_SEAL_FUTURE_WRITE"},
    {0x20, "F_SEAL_EXEC"},  // Linux 6.3; not in Debian 12's headers
}};

constexpr std::array<std::pair<uint16_t, state::FindingCode>, 8> kOddities{{
    {state::kOddBeyondEof, state::FindingCode::kBeyondEof},
    {state::kOddEmptyBacking, state::FindingCode::kEmptyBacking},
    {state::kOddShrinkableBacking, state::FindingCode::kShrinkableBacking},
    {state::kOddFdNotWritable, state::FindingCode::kFdNotWritable},
    {state::kOddFdOffsetUnaligned, state::FindingCode::kFdOffsetUnaligned},
    {state::kOddUnaligned, state::FindingCode::kMapUnaligned},
    {state::kOddUnknownFlags, state::FindingCode::kMapUnknownFlags},
    {state::kOddNoAck, state::FindingCode::kMapNoAck},
}};

void FillCounters(const state::RequestCounters& counters, v1::Region& out) {
  out.set_map_request_count(Saturated(counters.map_requests));
  out.set_map_failure_count(Saturated(counters.map_failure_count()));
  out.set_unmap_request_count(Saturated(counters.unmap_requests));
  out.set_unmap_failure_count(Saturated(counters.unmap_failure_count()));
  out.set_map_bytes_total(Saturated(counters.map_bytes_total));
}

void FillTotals(const RegionRecord& record, v1::Region& out) {
  out.set_mapped_bytes(Saturated(record.totals.mapped_bytes));
  out.set_assumed_bytes(Saturated(record.totals.assumed_bytes));
  out.set_stale_bytes(Saturated(record.totals.stale_bytes));
  out.set_writable_mapped_bytes(Saturated(record.totals.writable_bytes));
  out.set_at_risk_bytes(Saturated(record.totals.at_risk_bytes));
  out.set_mapping_count(Saturated(record.totals.mapping_count));
  if (!record.size_known) return;
  out.set_free_bytes(Saturated(record.free_bytes));
  out.set_largest_free_extent_bytes(Saturated(record.largest_hole_bytes));
  out.set_free_extent_count(Saturated(record.hole_count));
}

}  // namespace

v1::Region ToProto(const RegionRecord& record) {
  v1::Region out;
  const state::RegionStatus& status = record.status;
  out.set_name(RegionName(record.backend_id, status.shmid));
  out.set_shmid(status.shmid);
  if (status.reported) out.set_size_bytes(Saturated(status.size_bytes));
  FillTotals(record, out);
  out.set_peak_mapped_bytes(Saturated(status.peak_mapped_bytes));
  FillCounters(status.counters, out);
  out.set_host_page_size_bytes(Saturated(record.page_size));
  out.set_exposed_by_frontend(EnumToProto(status.exposed));
  *out.mutable_create_time() = ToTimestamp(status.create_time_ns);
  *out.mutable_update_time() = ToTimestamp(status.update_time_ns);
  for (const state::Finding& finding : record.findings) {
    *out.add_findings() = ToProto(record.backend_id, finding);
  }
  return out;
}

v1::Mapping ToProto(const MappingRecord& record) {
  v1::Mapping out;
  const state::Mapping& mapping = record.mapping;
  out.set_name(MappingName(record.backend_id, mapping.shmid, mapping.shm_offset));
  out.set_uid(absl::StrCat(mapping.epoch, "-", mapping.sequence));
  out.set_shm_offset_bytes(Saturated(mapping.shm_offset));
  out.set_length_bytes(Saturated(mapping.len));
  out.set_fd_offset_bytes(Saturated(mapping.fd_offset));
  out.set_access(mapping.writable() ? v1::Mapping::READ_WRITE : v1::Mapping::READ_ONLY);
  out.set_raw_flags(mapping.flags);
  out.set_state(EnumToProto(mapping.state));
  out.set_unmap_pending(mapping.unmap_pending);
  out.set_in_memory_table(EnumToProto(mapping.in_memory_table));
  *out.mutable_backing() = ToProto(mapping.fd);
  *out.mutable_request_time() = ToTimestamp(mapping.request_time_ns);
  if (mapping.ack_latency_ns >= 0) {
    *out.mutable_ack_time() = ToTimestamp(mapping.request_time_ns + mapping.ack_latency_ns);
    *out.mutable_ack_latency() = ToDuration(mapping.ack_latency_ns);
  }
  for (const auto& [bit, code] : kOddities) {
    if ((mapping.oddities & bit) != 0) out.add_finding_codes(std::string(state::FindingCodeName(code)));
  }
  return out;
}

v1::Backing ToProto(const base::FdFacts& fd) {
  v1::Backing out;
  out.set_kind(EnumToProto(fd.kind));
  out.set_device(fd.device);
  out.set_inode(fd.inode);
  if (fd.size_bytes >= 0) out.set_size_bytes(fd.size_bytes);
  if (fd.seals_known) {
    for (const auto& [seal, name] : kSeals) {
      if ((fd.seals & seal) != 0) out.add_seals(name);
    }
  }
  out.set_access(EnumToProto(fd.access));
  return out;
}

}  // namespace shmemd::convert
