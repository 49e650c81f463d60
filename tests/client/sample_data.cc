// The canned back-ends of the tests.
#include <string>

#include "tests/client/fake_shmemd.h"
#include "tests/client/text_message.h"

namespace shmemd::client {
namespace {

constexpr char kGpu[] = R"(
  name: "backends/gpu0" uid: "b1" origin: CONFIG mode: FRONTEND state: ACTIVE observed: true device_state: STOPPED
  backend_socket: "/run/backends/gpu0.sock"
  features {
    virtio_features: 0x140000000 offered_protocol_features: 0x40042c acked_protocol_features: 0x400428
    offered_protocol_feature_names: ["RARP", "REPLY_ACK", "BACKEND_REQ", "BACKEND_SEND_FD", "SHMEM"]
    acked_protocol_feature_names: ["REPLY_ACK", "BACKEND_REQ", "BACKEND_SEND_FD", "SHMEM"]
    shmem_feature_bit: 22 reply_ack: true backend_req: true backend_send_fd: true
  }
  config {
    reported_num_regions: 3 nonzero_size_count: 3 highest_shmid: 5 reply_payload_bytes: 2056
    num_regions_meaning: COUNT source: ASKED observe_time { seconds: 1767225600 }
  }
  backend_process { uid: 1000 gid: 1000 pid: 4711 command: "demo-backend" }
  connection_epoch: 1 reset_count: 0 reconnect_count: 0 pending_request_count: 0
  totals {
    region_count: 3 mapping_count: 4 size_bytes: 4299165696 mapped_bytes: 83906560 stale_bytes: 0
    at_risk_bytes: 4096 open_finding_count: 2
  }
  connect_time { seconds: 1767225600 } update_time { seconds: 1767225660 })";

constexpr char kFs[] = R"(
  name: "backends/fs0" uid: "b2" origin: CONFIG mode: FRONTEND state: DISCONNECTED state_reason: CLOSED_BY_BACKEND
  state_detail: "the back-end closed the connection" observed: true backend_socket: "/run/backends/fs0.sock"
  connection_epoch: 2
  totals {
    region_count: 1 mapping_count: 0 size_bytes: 0 mapped_bytes: 0 stale_bytes: 0 at_risk_bytes: 0
    open_finding_count: 0
  })";

constexpr char kRegion0[] = R"(
  name: "backends/gpu0/regions/0" shmid: 0 role: "mmap_buffers" size_bytes: 4294967296 mapped_bytes: 83886080
  assumed_bytes: 0 stale_bytes: 0 writable_mapped_bytes: 67108864 free_bytes: 4211081216 peak_mapped_bytes: 83886080
  largest_free_extent_bytes: 3221225472 free_extent_count: 3 at_risk_bytes: 4096 mapping_count: 3 map_request_count: 12
  map_failure_count: 1 unmap_request_count: 9 unmap_failure_count: 0 map_bytes_total: 1073741824
  host_page_size_bytes: 4096 exposed_by_frontend: YES update_time { seconds: 1767225660 })";

constexpr char kRegion2[] = R"(
  name: "backends/gpu0/regions/2" shmid: 2 size_bytes: 4194304 mapped_bytes: 20480 assumed_bytes: 0 stale_bytes: 0
  writable_mapped_bytes: 20480 free_bytes: 4173824 largest_free_extent_bytes: 4173824 free_extent_count: 1
  at_risk_bytes: 0 mapping_count: 1 host_page_size_bytes: 4096)";

constexpr char kRegion5[] = R"(
  name: "backends/gpu0/regions/5" shmid: 5 size_bytes: 4096 mapped_bytes: 0 assumed_bytes: 0 stale_bytes: 0
  writable_mapped_bytes: 0 free_bytes: 4096 largest_free_extent_bytes: 4096 free_extent_count: 1 at_risk_bytes: 0
  mapping_count: 0 host_page_size_bytes: 4096)";

constexpr char kFsRegion[] = R"(
  name: "backends/fs0/regions/0" shmid: 0 mapped_bytes: 0 assumed_bytes: 0 stale_bytes: 0 writable_mapped_bytes: 0
  at_risk_bytes: 0 mapping_count: 0 host_page_size_bytes: 4096)";

std::vector<v1::Mapping> SampleMappings() {
  return {Parse<v1::Mapping>(R"(
            name: "backends/gpu0/regions/0/mappings/0x0" uid: "1-1" shm_offset_bytes: 0 length_bytes: 67108864
            fd_offset_bytes: 0 access: READ_WRITE raw_flags: 1 state: MAPPED in_memory_table: UNKNOWN
            backing {
              kind: MEMFD device: 1 inode: 1034 size_bytes: 67108864 seals: ["F_SEAL_SHRINK", "F_SEAL_GROW"]
              access: READ_WRITE
            }
            request_time { seconds: 1767225600 } ack_time { seconds: 1767225600 nanos: 42000 }
            ack_latency { nanos: 42000 })"),
          Parse<v1::Mapping>(R"(
            name: "backends/gpu0/regions/0/mappings/0x10000000" uid: "1-2" shm_offset_bytes: 0x10000000
            length_bytes: 16773120 fd_offset_bytes: 0x1000 access: READ_ONLY state: MAPPED in_memory_table: UNKNOWN
            backing { kind: FILE device: 0x801 inode: 77 size_bytes: 33554432 access: READ_ONLY }
            request_time { seconds: 1767225601 } ack_latency { nanos: 1500000 })"),
          Parse<v1::Mapping>(R"(
            name: "backends/gpu0/regions/0/mappings/0x80000000" uid: "1-3" shm_offset_bytes: 0x80000000
            length_bytes: 4096 fd_offset_bytes: 0 access: READ_ONLY state: ASSUMED in_memory_table: UNKNOWN
            backing { kind: MEMFD device: 1 inode: 1035 size_bytes: 0 access: READ_WRITE }
            request_time { seconds: 1767225602 } finding_codes: ["EMPTY_BACKING"])"),
          Parse<v1::Mapping>(R"(
            name: "backends/gpu0/regions/2/mappings/0x1000" uid: "1-4" shm_offset_bytes: 0x1000 length_bytes: 20480
            fd_offset_bytes: 0 access: READ_WRITE raw_flags: 1 state: MAPPED in_memory_table: UNKNOWN
            backing { kind: MEMFD device: 1 inode: 1036 size_bytes: 20480 access: READ_WRITE }
            request_time { seconds: 1767225603 } ack_latency { nanos: 800 })")};
}

std::vector<v1::Finding> SampleFindings() {
  return {Parse<v1::Finding>(R"(
            code: "EMPTY_BACKING" severity: WARNING summary: "the file behind 0x80000000 has 0 bytes"
            remedy: "give the file its size before SHMEM_MAP" resource: "backends/gpu0/regions/0"
            evidence { key: "shm_offset" value: "0x80000000" } evidence { key: "file_size" value: "0" }
            first_seen_time { seconds: 1767225602 } last_seen_time { seconds: 1767225602 } occurrence_count: 1
            open: true)"),
          Parse<v1::Finding>(R"(
            code: "SHRINKABLE_BACKING" severity: INFO summary: "files may shrink under the guest"
            remedy: "seal them with F_SEAL_SHRINK" resource: "backends/gpu0" first_seen_time { seconds: 1767225601 }
            last_seen_time { seconds: 1767225603 } occurrence_count: 3 open: true)")};
}

}  // namespace

CannedData SampleData() {
  CannedData data;
  data.backends = {Parse<v1::Backend>(kFs), Parse<v1::Backend>(kGpu)};
  data.regions = {Parse<v1::Region>(kFsRegion), Parse<v1::Region>(kRegion0), Parse<v1::Region>(kRegion2),
                  Parse<v1::Region>(kRegion5)};
  data.mappings = SampleMappings();
  data.findings = SampleFindings();
  data.layouts = SampleLayouts(data.regions);
  return data;
}

}  // namespace shmemd::client
