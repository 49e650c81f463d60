// Payload layouts as they lie on the wire, in the machine's own byte order (spec, "Message Specification").
//
// Every padding byte is a named member, so a struct is the same under every compiler and can be copied as
// bytes. Names and order are those of the spec's section "Payload"; sizes and offsets are asserted below.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "server/vhost/protocol.h"

namespace shmemd::vhost {

struct Header {
  uint32_t request = 0;
  uint32_t flags = 0;
  uint32_t size = 0;  // bytes of payload; the header is not counted

  bool is_reply() const { return (flags & kReplyFlag) != 0; }
  bool needs_reply() const { return (flags & kNeedReplyFlag) != 0; }
  bool operator==(const Header&) const = default;
};

struct VringState {
  uint32_t index = 0;
  uint32_t num = 0;
};

struct VringAddress {
  uint32_t index = 0;
  uint32_t flags = 0;
  uint64_t descriptor = 0;
  uint64_t used = 0;
  uint64_t available = 0;
  uint64_t log = 0;
};

struct MemoryRegion {
  uint64_t guest_address = 0;
  uint64_t size_bytes = 0;
  uint64_t user_address = 0;
  uint64_t mmap_offset = 0;
};

// With XEN_MMAP, in the memory table and in the single region alike.
struct XenMemoryRegion {
  MemoryRegion region;
  uint32_t xen_mmap_flags = 0;
  uint32_t domain_id = 0;
};

// Followed by num_regions times MemoryRegion.
struct MemoryTableHeader {
  uint32_t num_regions = 0;
  uint32_t padding = 0;
};

struct SingleMemoryRegion {
  uint64_t padding = 0;
  MemoryRegion region;
};

struct LogDescription {
  uint64_t mmap_size = 0;
  uint64_t mmap_offset = 0;
};

struct IotlbMessage {
  uint64_t iova = 0;
  uint64_t size_bytes = 0;
  uint64_t user_address = 0;
  uint8_t permissions = 0;
  uint8_t type = 0;
  std::array<uint8_t, 6> padding{};
};

// Followed by size_bytes bytes of configuration space.
struct DeviceConfigHeader {
  uint32_t offset = 0;
  uint32_t size_bytes = 0;
  uint32_t flags = 0;
};

struct VringArea {
  uint64_t index_and_flags = 0;  // index in the low 8 bits, bit 8: no fd
  uint64_t size_bytes = 0;
  uint64_t offset = 0;
};

// 20 bytes where a peer packs it, 24 where it is a C struct: kInflightMinBytes up to sizeof.
struct InflightDescription {
  uint64_t mmap_size = 0;
  uint64_t mmap_offset = 0;
  uint16_t num_queues = 0;
  uint16_t queue_size = 0;
  uint32_t padding = 0;
};
inline constexpr size_t kInflightMinBytes = offsetof(InflightDescription, padding);

struct SharedObject {
  std::array<uint8_t, 16> uuid{};
};

struct DeviceStateTransfer {
  uint32_t direction = 0;
  uint32_t phase = 0;
};

// The reply to GET_SHMEM_CONFIG. The index of an entry is the shmid, 0 means unused, num_regions counts the
// entries that are not 0. Spec, "VhostUserShMemConfig".
struct ShmemConfigPayload {
  uint32_t num_regions = 0;
  uint32_t padding = 0;
  std::array<uint64_t, kMaxRegions> sizes{};
};

// SHMEM_MAP and SHMEM_UNMAP. Spec, "VhostUserMMap".
struct MMapPayload {
  uint8_t shmid = 0;
  std::array<uint8_t, 7> padding{};
  uint64_t fd_offset = 0;
  uint64_t shm_offset = 0;
  uint64_t len = 0;
  uint64_t flags = 0;
};

// crosvm's own dialect until 2025-12, only to be recognised: crosvm third_party/vmm_vhost/src/message.rs.
// The reply to its id 1004: a count and that many regions.
struct LegacyRegionsHeader {
  uint64_t count = 0;
};
struct LegacyRegion {
  uint8_t shmid = 0;
  std::array<uint8_t, 7> padding{};
  uint64_t length = 0;
};
// Its back-end request 1000. shm_offset comes before fd_offset, the reverse of MMapPayload.
struct LegacyMap {
  uint8_t flags = 0;  // 1: read, 2: write
  uint8_t shmid = 0;
  std::array<uint8_t, 6> padding{};
  uint64_t shm_offset = 0;
  uint64_t fd_offset = 0;
  uint64_t len = 0;
};
// Its back-end request 1001.
struct LegacyUnmap {
  uint8_t shmid = 0;
  std::array<uint8_t, 7> padding{};
  uint64_t shm_offset = 0;
  uint64_t len = 0;
};

// True if T can be copied to and from the wire as bytes: trivial, and without a byte the compiler put in.
template <typename T>
inline constexpr bool kIsWireLayout =
    std::is_trivially_copyable_v<T>&& std::has_unique_object_representations_v<T>;

static_assert(kIsWireLayout<Header> && sizeof(Header) == kHeaderBytes);
static_assert(offsetof(Header, flags) == 4 && offsetof(Header, size) == 8);
static_assert(kIsWireLayout<VringState> && sizeof(VringState) == 8);
static_assert(kIsWireLayout<VringAddress> && sizeof(VringAddress) == 40);
static_assert(offsetof(VringAddress, descriptor) == 8 && offsetof(VringAddress, used) == 16);
static_assert(offsetof(VringAddress, available) == 24 && offsetof(VringAddress, log) == 32);
static_assert(kIsWireLayout<MemoryRegion> && sizeof(MemoryRegion) == 32);
static_assert(offsetof(MemoryRegion, size_bytes) == 8 && offsetof(MemoryRegion, user_address) == 16);
static_assert(offsetof(MemoryRegion, mmap_offset) == 24);
static_assert(kIsWireLayout<XenMemoryRegion> && sizeof(XenMemoryRegion) == 40);
static_assert(offsetof(XenMemoryRegion, xen_mmap_flags) == 32 && offsetof(XenMemoryRegion, domain_id) == 36);
static_assert(kIsWireLayout<MemoryTableHeader> && sizeof(MemoryTableHeader) == 8);
static_assert(kIsWireLayout<SingleMemoryRegion> && sizeof(SingleMemoryRegion) == 40);
static_assert(offsetof(SingleMemoryRegion, region) == 8);
static_assert(kIsWireLayout<LogDescription> && sizeof(LogDescription) == 16);
static_assert(kIsWireLayout<IotlbMessage> && sizeof(IotlbMessage) == 32);
static_assert(offsetof(IotlbMessage, permissions) == 24 && offsetof(IotlbMessage, type) == 25);
static_assert(kIsWireLayout<DeviceConfigHeader> && sizeof(DeviceConfigHeader) == 12);
static_assert(kIsWireLayout<VringArea> && sizeof(VringArea) == 24);
static_assert(kIsWireLayout<InflightDescription> && sizeof(InflightDescription) == 24 &&
              kInflightMinBytes == 20);
static_assert(offsetof(InflightDescription, num_queues) == 16 &&
              offsetof(InflightDescription, queue_size) == 18);
static_assert(kIsWireLayout<SharedObject> && sizeof(SharedObject) == 16);
static_assert(kIsWireLayout<DeviceStateTransfer> && sizeof(DeviceStateTransfer) == 8);
static_assert(kIsWireLayout<ShmemConfigPayload> && sizeof(ShmemConfigPayload) == 2056);
static_assert(offsetof(ShmemConfigPayload, padding) == 4 && offsetof(ShmemConfigPayload, sizes) == 8);
static_assert(kIsWireLayout<MMapPayload> && sizeof(MMapPayload) == 40);
static_assert(offsetof(MMapPayload, fd_offset) == 8 && offsetof(MMapPayload, shm_offset) == 16);
static_assert(offsetof(MMapPayload, len) == 24 && offsetof(MMapPayload, flags) == 32);
static_assert(kIsWireLayout<LegacyRegionsHeader> && sizeof(LegacyRegionsHeader) == 8);
static_assert(kIsWireLayout<LegacyRegion> && sizeof(LegacyRegion) == 16 &&
              offsetof(LegacyRegion, length) == 8);
static_assert(kIsWireLayout<LegacyMap> && sizeof(LegacyMap) == 32);
static_assert(offsetof(LegacyMap, shm_offset) == 8 && offsetof(LegacyMap, fd_offset) == 16);
static_assert(kIsWireLayout<LegacyUnmap> && sizeof(LegacyUnmap) == 24 &&
              offsetof(LegacyUnmap, shm_offset) == 8);

}  // namespace shmemd::vhost
