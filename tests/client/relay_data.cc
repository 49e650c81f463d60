// The canned back-ends of the tests of mode relay.
#include <string>

#include "tests/client/fake_shmemd.h"
#include "tests/client/text_message.h"

namespace shmemd::client {
namespace {

constexpr char kLost[] = R"(
  name: "backends/lost" uid: "r1" origin: CONFIG mode: RELAY state: DISCONNECTED state_reason: CLOSED_BY_BACKEND
  state_detail: "the back-end closed the connection" observed: false
  unobserved_reason: "nothing to follow while DISCONNECTED" device_state: UNKNOWN
  backend_socket: "/run/backends/lost.sock" backend_socket_role: CONNECT
  frontend_socket: "/run/vhost-user/lost.sock" frontend_socket_role: LISTEN
  query: SNOOP guard: OFF on_backend_missing: REFUSE guard_action_count: 0
  frontend_process { uid: 107 gid: 107 pid: 99 command: "qemu-system-x86" }
  connection_epoch: 1 reset_count: 0 reconnect_count: 0 pending_request_count: 0
  totals {
    region_count: 1 mapping_count: 2 size_bytes: 0 mapped_bytes: 0 stale_bytes: 1052672 at_risk_bytes: 1052672
    open_finding_count: 0
  })";

constexpr char kUnseen[] = R"(
  name: "backends/unseen" uid: "r2" origin: CONFIG mode: RELAY state: ACTIVE observed: false
  unobserved_reason: "PAIRING_LOST: on the main channel an answer to message 9 was next, got 10"
  device_state: STARTED backend_socket: "/run/backends/unseen.sock" backend_socket_role: LISTEN
  frontend_socket: "/run/vhost-user/unseen.sock" frontend_socket_role: CONNECT
  query: INJECT guard: WARN on_backend_missing: WAIT guard_action_count: 0
  connection_epoch: 1 reset_count: 0 reconnect_count: 0 pending_request_count: 0
  totals {
    region_count: 0 mapping_count: 0 size_bytes: 0 mapped_bytes: 0 stale_bytes: 0 at_risk_bytes: 0
    open_finding_count: 1
  })";

constexpr char kVm0[] = R"(
  name: "backends/vm0" uid: "r3" origin: CONFIG mode: RELAY state: ACTIVE observed: true device_state: STARTED
  backend_socket: "/run/backends/vm0.sock" backend_socket_role: CONNECT
  frontend_socket: "/run/vhost-user/vm0.sock" frontend_socket_role: LISTEN
  query: INJECT guard: PROTECT on_backend_missing: WAIT guard_action_count: 3
  config {
    reported_num_regions: 1 nonzero_size_count: 1 highest_shmid: 0 reply_payload_bytes: 2056
    num_regions_meaning: COUNT_OR_SPAN source: SEEN observe_time { seconds: 1767225600 }
  }
  backend_process { uid: 1000 gid: 1000 pid: 4711 command: "media" }
  frontend_process { uid: 107 gid: 107 pid: 4712 command: "qemu-system-x86" }
  connection_epoch: 4 reset_count: 2 reconnect_count: 3 pending_request_count: 1
  totals {
    region_count: 1 mapping_count: 1 size_bytes: 4194304 mapped_bytes: 65536 stale_bytes: 0 at_risk_bytes: 0
    open_finding_count: 0
  })";

constexpr char kWaiting[] = R"(
  name: "backends/waiting" uid: "r4" origin: CONFIG mode: RELAY state: WAITING_FOR_FRONTEND observed: false
  unobserved_reason: "nothing to follow while WAITING_FOR_FRONTEND" device_state: UNKNOWN
  backend_socket: "/run/backends/waiting.sock" backend_socket_role: CONNECT
  frontend_socket: "/run/vhost-user/waiting.sock" frontend_socket_role: LISTEN
  query: SNOOP guard: WARN on_backend_missing: WAIT guard_action_count: 0
  connection_epoch: 0 reset_count: 0 reconnect_count: 0 pending_request_count: 0
  totals {
    region_count: 0 mapping_count: 0 size_bytes: 0 mapped_bytes: 0 stale_bytes: 0 at_risk_bytes: 0
    open_finding_count: 0
  })";

constexpr char kLostRegion[] = R"(
  name: "backends/lost/regions/0" shmid: 0 mapped_bytes: 0 assumed_bytes: 0 stale_bytes: 1052672
  writable_mapped_bytes: 0 at_risk_bytes: 1052672 mapping_count: 2 peak_mapped_bytes: 1052672
  host_page_size_bytes: 4096 exposed_by_frontend: UNKNOWN)";

constexpr char kVmRegion[] = R"(
  name: "backends/vm0/regions/0" shmid: 0 size_bytes: 4194304 mapped_bytes: 65536 assumed_bytes: 0 stale_bytes: 0
  writable_mapped_bytes: 65536 free_bytes: 4128768 largest_free_extent_bytes: 4128768 free_extent_count: 1
  at_risk_bytes: 0 mapping_count: 1 host_page_size_bytes: 4096 exposed_by_frontend: YES)";

}  // namespace

CannedData RelayData() {
  CannedData data;
  data.backends = {Parse<v1::Backend>(kLost), Parse<v1::Backend>(kUnseen), Parse<v1::Backend>(kVm0),
                   Parse<v1::Backend>(kWaiting)};
  data.regions = {Parse<v1::Region>(kLostRegion), Parse<v1::Region>(kVmRegion)};
  data.mappings = {Parse<v1::Mapping>(R"(
                     name: "backends/lost/regions/0/mappings/0x0" uid: "1-1" shm_offset_bytes: 0
                     length_bytes: 1048576 fd_offset_bytes: 0 access: READ_WRITE raw_flags: 1 state: STALE
                     in_memory_table: YES backing { kind: MEMFD inode: 9 size_bytes: 1048576 access: READ_WRITE }
                     request_time { seconds: 1767225600 } ack_latency { nanos: 42000 })"),
                   Parse<v1::Mapping>(R"(
                     name: "backends/lost/regions/0/mappings/0x200000" uid: "1-2" shm_offset_bytes: 0x200000
                     length_bytes: 4096 fd_offset_bytes: 0 access: READ_ONLY state: STALE in_memory_table: NO
                     backing { kind: FILE device: 0x801 inode: 77 size_bytes: 0 access: READ_ONLY }
                     request_time { seconds: 1767225601 } ack_latency { nanos: 42000 }
                     finding_codes: ["BEYOND_EOF"])"),
                   Parse<v1::Mapping>(R"(
                     name: "backends/vm0/regions/0/mappings/0x0" uid: "4-1" shm_offset_bytes: 0 length_bytes: 65536
                     fd_offset_bytes: 0 access: READ_WRITE raw_flags: 1 state: MAPPED in_memory_table: YES
                     backing { kind: MEMFD inode: 10 size_bytes: 65536 access: READ_WRITE }
                     request_time { seconds: 1767225602 } ack_latency { nanos: 900 })")};
  data.layouts = {LayoutOf(data.regions[0], "AT_RISK 1048576 FREE 1048576 AT_RISK 4096"),
                  LayoutOf(data.regions[1], "READ_WRITE 65536 FREE 4128768")};
  return data;
}

}  // namespace shmemd::client
