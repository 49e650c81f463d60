#include "server/vhost/message_table.h"

#include <algorithm>
#include <iterator>

#include "server/vhost/payload.h"

namespace shmemd::vhost {
namespace {

constexpr Range BytesOf(PayloadKind kind) {
  constexpr uint32_t kXenExtraBytes = sizeof(XenMemoryRegion) - sizeof(MemoryRegion);
  switch (kind) {
    case PayloadKind::kNone:
      return {0, 0};
    case PayloadKind::kU64:
    case PayloadKind::kVringState:
    case PayloadKind::kDeviceState:
      return {8, 8};
    case PayloadKind::kVringAddress:
      return {sizeof(VringAddress), sizeof(VringAddress)};
    case PayloadKind::kMemoryTable:
      return {sizeof(MemoryTableHeader),
              sizeof(MemoryTableHeader) + kMaxMemoryRegions * sizeof(XenMemoryRegion)};
    case PayloadKind::kSingleMemoryRegion:
      return {sizeof(SingleMemoryRegion), sizeof(SingleMemoryRegion) + kXenExtraBytes};
    case PayloadKind::kLog:
      return {8, sizeof(LogDescription)};
    case PayloadKind::kIotlb:
      return {sizeof(IotlbMessage), sizeof(IotlbMessage)};
    case PayloadKind::kDeviceConfig:
      return {sizeof(DeviceConfigHeader), sizeof(DeviceConfigHeader) + kMaxDeviceConfigBytes};
    case PayloadKind::kVringArea:
      return {sizeof(VringArea), sizeof(VringArea)};
    case PayloadKind::kInflight:
      return {kInflightMinBytes, sizeof(InflightDescription)};
    case PayloadKind::kSharedObject:
      return {sizeof(SharedObject), sizeof(SharedObject)};
    case PayloadKind::kShmemConfig:
      return {sizeof(ShmemConfigPayload), sizeof(ShmemConfigPayload)};
    case PayloadKind::kMMap:
      return {sizeof(MMapPayload), sizeof(MMapPayload)};
    case PayloadKind::kLegacyRegions:
      return {sizeof(LegacyRegionsHeader), sizeof(LegacyRegionsHeader) + kMaxRegions * sizeof(LegacyRegion)};
    case PayloadKind::kLegacyMap:
      return {sizeof(LegacyMap), sizeof(LegacyMap)};
    case PayloadKind::kLegacyUnmap:
      return {sizeof(LegacyUnmap), sizeof(LegacyUnmap)};
    case PayloadKind::kCryptoSession:
    case PayloadKind::kUnspecified:
      break;
  }
  return {0, 2 * kMaxPayloadBytes};
}

constexpr Range kNoFd{0, 0};
constexpr Range kOneFd{1, 1};
constexpr Range kMaybeFd{0, 1};
constexpr Range kFdPerMemoryRegion{0, kMaxMemoryRegions};

constexpr Part Carries(PayloadKind kind, Range fds = kNoFd) { return {kind, BytesOf(kind), fds}; }

// For peers that are known to send less than the spec's layout.
constexpr Part CarriesFrom(uint32_t min_bytes, PayloadKind kind, Range fds = kNoFd) {
  return {kind, {min_bytes, BytesOf(kind).max}, fds};
}

constexpr Part kNothing = Carries(PayloadKind::kNone);
constexpr Part kU64 = Carries(PayloadKind::kU64);

constexpr MessageInfo Main(FrontendRequest id, std::string_view name, Part request, ReplyKind kind,
                           Part reply, std::string_view source) {
  return {Id(id), Channel::kMain, kind, name, request, reply, source};
}

constexpr MessageInfo Back(BackendRequest id, std::string_view name, Part request, ReplyKind kind,
                           std::string_view source) {
  return {Id(id), Channel::kBackend, kind, name, request, kU64, source};
}

using F = FrontendRequest;
using B = BackendRequest;
using P = PayloadKind;
using R = ReplyKind;

constexpr std::string_view kSpec = "spec, front-end message types";
constexpr std::string_view kBackendSpec = "spec, back-end message types";
constexpr std::string_view kVmmVhost = "crosvm third_party/vmm_vhost/src/message.rs, deprecated ids";

constexpr MessageInfo kMainMessages[] = {
    Main(F::kGetFeatures, "GET_FEATURES", kNothing, R::kOwn, kU64, kSpec),
    Main(F::kSetFeatures, "SET_FEATURES", kU64, R::kAck, kU64, kSpec),
    Main(F::kSetOwner, "SET_OWNER", kNothing, R::kAck, kU64, kSpec),
    Main(F::kResetOwner, "RESET_OWNER", kNothing, R::kAck, kU64, "spec: deprecated"),
    Main(F::kSetMemTable, "SET_MEM_TABLE", Carries(P::kMemoryTable, kFdPerMemoryRegion), R::kOwnIfPostcopy,
         Carries(P::kMemoryTable), "spec; postcopy: QEMU vhost_user_set_mem_table_postcopy"),
    Main(F::kSetLogBase, "SET_LOG_BASE", Carries(P::kLog, kMaybeFd), R::kOwnIfLogShmfd, Carries(P::kLog),
         "spec; libvhost-user answers 8 bytes, rust-vmm 16"),
    Main(F::kSetLogFd, "SET_LOG_FD", Carries(P::kNone, kOneFd), R::kAck, kU64, kSpec),
    Main(F::kSetVringNum, "SET_VRING_NUM", Carries(P::kVringState), R::kAck, kU64, kSpec),
    Main(F::kSetVringAddr, "SET_VRING_ADDR", Carries(P::kVringAddress), R::kAck, kU64, kSpec),
    Main(F::kSetVringBase, "SET_VRING_BASE", Carries(P::kVringState), R::kAck, kU64, kSpec),
    Main(F::kGetVringBase, "GET_VRING_BASE", Carries(P::kVringState), R::kOwn, Carries(P::kVringState),
         "spec; may wait for requests in flight"),
    Main(F::kSetVringKick, "SET_VRING_KICK", Carries(P::kU64, kMaybeFd), R::kAck, kU64, "spec; bit 8: no fd"),
    Main(F::kSetVringCall, "SET_VRING_CALL", Carries(P::kU64, kMaybeFd), R::kAck, kU64, "spec; bit 8: no fd"),
    Main(F::kSetVringErr, "SET_VRING_ERR", Carries(P::kU64, kMaybeFd), R::kAck, kU64, "spec; bit 8: no fd"),
    Main(F::kGetProtocolFeatures, "GET_PROTOCOL_FEATURES", kNothing, R::kOwn, kU64, kSpec),
    Main(F::kSetProtocolFeatures, "SET_PROTOCOL_FEATURES", kU64, R::kAck, kU64, kSpec),
    Main(F::kGetQueueNum, "GET_QUEUE_NUM", kNothing, R::kOwn, kU64, kSpec),
    Main(F::kSetVringEnable, "SET_VRING_ENABLE", Carries(P::kVringState), R::kAck, kU64, kSpec),
    Main(F::kSendRarp, "SEND_RARP", kU64, R::kAck, kU64, kSpec),
    Main(F::kNetSetMtu, "NET_SET_MTU", kU64, R::kAck, kU64, kSpec),
    Main(F::kSetBackendReqFd, "SET_BACKEND_REQ_FD", Carries(P::kNone, kOneFd), R::kAck, kU64, kSpec),
    Main(F::kIotlbMsg, "IOTLB_MSG", Carries(P::kIotlb), R::kAlwaysAck, kU64,
         "spec; QEMU sets NEED_REPLY whatever was negotiated"),
    Main(F::kSetVringEndian, "SET_VRING_ENDIAN", Carries(P::kVringState), R::kAck, kU64, kSpec),
    Main(F::kGetConfig, "GET_CONFIG", Carries(P::kDeviceConfig), R::kOwn, CarriesFrom(0, P::kDeviceConfig),
         "spec: size 0 is an error; rust-vmm answers 12 bytes for one"),
    Main(F::kSetConfig, "SET_CONFIG", Carries(P::kDeviceConfig), R::kAck, kU64, kSpec),
    Main(F::kCreateCryptoSession, "CREATE_CRYPTO_SESSION", Carries(P::kCryptoSession), R::kOwn,
         Carries(P::kCryptoSession), kSpec),
    Main(F::kCloseCryptoSession, "CLOSE_CRYPTO_SESSION", kU64, R::kAck, kU64, kSpec),
    Main(F::kPostcopyAdvise, "POSTCOPY_ADVISE", kNothing, R::kOwn, Carries(P::kNone, kOneFd),
         "spec; the reply carries a userfaultfd"),
    Main(F::kPostcopyListen, "POSTCOPY_LISTEN", kNothing, R::kAlwaysAck, kU64,
         "QEMU always sets NEED_REPLY, libvhost-user answers regardless"),
    Main(F::kPostcopyEnd, "POSTCOPY_END", kNothing, R::kAlwaysAck, kU64, "spec; QEMU always sets NEED_REPLY"),
    Main(F::kGetInflightFd, "GET_INFLIGHT_FD", Carries(P::kInflight), R::kOwn, Carries(P::kInflight, kOneFd),
         kSpec),
    Main(F::kSetInflightFd, "SET_INFLIGHT_FD", Carries(P::kInflight, kOneFd), R::kAck, kU64, kSpec),
    Main(F::kGpuSetSocket, "GPU_SET_SOCKET", Carries(P::kNone, kOneFd), R::kAck, kU64, kSpec),
    Main(F::kResetDevice, "RESET_DEVICE", kNothing, R::kAck, kU64, kSpec),
    Main(F::kVringKick, "VRING_KICK", Carries(P::kVringState), R::kAck, kU64, kSpec),
    Main(F::kGetMaxMemSlots, "GET_MAX_MEM_SLOTS", kNothing, R::kOwn, kU64, kSpec),
    Main(F::kAddMemReg, "ADD_MEM_REG", Carries(P::kSingleMemoryRegion, kOneFd), R::kOwnIfPostcopy,
         Carries(P::kSingleMemoryRegion), "spec; postcopy: QEMU vhost_user_add_remove_regions"),
    Main(F::kRemMemReg, "REM_MEM_REG", Carries(P::kSingleMemoryRegion, kMaybeFd), R::kAck, kU64,
         "spec: no fd, but one that comes has to be closed"),
    Main(F::kSetStatus, "SET_STATUS", kU64, R::kAck, kU64, kSpec),
    Main(F::kGetStatus, "GET_STATUS", kNothing, R::kOwn, kU64, kSpec),
    Main(F::kGetSharedObject, "GET_SHARED_OBJECT", CarriesFrom(0, P::kSharedObject), R::kOwn,
         CarriesFrom(0, P::kSharedObject, kMaybeFd),
         "spec; QEMU leaves the request's size at 0, rust-vmm may answer without an fd"),
    Main(F::kSetDeviceStateFd, "SET_DEVICE_STATE_FD", Carries(P::kDeviceState, kOneFd), R::kOwn,
         Carries(P::kU64, kMaybeFd), "spec; reply bit 8: no fd"),
    Main(F::kCheckDeviceState, "CHECK_DEVICE_STATE", kNothing, R::kOwn, kU64, kSpec),
    Main(F::kGetShmemConfig, "GET_SHMEM_CONFIG", kNothing, R::kOwn,
         CarriesFrom(offsetof(ShmemConfigPayload, sizes), P::kShmemConfig),
         "spec: always 2056 bytes; crosvm of 2025-12 cut the array short"),
    Main(F::kLegacyGetSharedMemoryRegions, "GET_SHARED_MEMORY_REGIONS", kNothing, R::kOwn,
         Carries(P::kLegacyRegions), kVmmVhost),
};

constexpr MessageInfo kBackendMessages[] = {
    Back(B::kIotlbMsg, "IOTLB_MSG", Carries(P::kIotlb), R::kAck, kBackendSpec),
    Back(B::kConfigChangeMsg, "CONFIG_CHANGE_MSG", kNothing, R::kAck, kBackendSpec),
    Back(B::kVringHostNotifierMsg, "VRING_HOST_NOTIFIER_MSG", Carries(P::kVringArea, kMaybeFd), R::kAck,
         kBackendSpec),
    Back(B::kVringCall, "VRING_CALL", Carries(P::kVringState), R::kAck, kBackendSpec),
    Back(B::kVringErr, "VRING_ERR", Carries(P::kVringState), R::kAck, kBackendSpec),
    Back(B::kSharedObjectAdd, "SHARED_OBJECT_ADD", Carries(P::kSharedObject), R::kAck, kBackendSpec),
    Back(B::kSharedObjectRemove, "SHARED_OBJECT_REMOVE", Carries(P::kSharedObject), R::kAck, kBackendSpec),
    Back(B::kSharedObjectLookup, "SHARED_OBJECT_LOOKUP", Carries(P::kSharedObject), R::kAlwaysAck,
         "spec; QEMU answers with or without NEED_REPLY"),
    Back(B::kShmemMap, "SHMEM_MAP", Carries(P::kMMap, kOneFd), R::kAck, kBackendSpec),
    Back(B::kShmemUnmap, "SHMEM_UNMAP", Carries(P::kMMap), R::kAck, kBackendSpec),
    Back(B::kMemRead, "MEM_READ", Carries(P::kUnspecified), R::kAck,
         "QEMU patches, never merged; QEMU answers 1"),
    Back(B::kMemWrite, "MEM_WRITE", Carries(P::kUnspecified), R::kAck,
         "QEMU patches, never merged; QEMU answers 1"),
    Back(B::kLegacyShmemMap, "crosvm SHMEM_MAP", Carries(P::kLegacyMap, kOneFd), R::kAck, kVmmVhost),
    Back(B::kLegacyShmemUnmap, "crosvm SHMEM_UNMAP", Carries(P::kLegacyUnmap), R::kAck, kVmmVhost),
    Back(B::kLegacyFsMap, "crosvm FS_MAP", Carries(P::kUnspecified, kMaybeFd), R::kAck, kVmmVhost),
    Back(B::kLegacyFsUnmap, "crosvm FS_UNMAP", Carries(P::kUnspecified), R::kAck, kVmmVhost),
    Back(B::kLegacyFsSync, "crosvm FS_SYNC", Carries(P::kUnspecified), R::kAck, kVmmVhost),
    Back(B::kLegacyFsIo, "crosvm FS_IO", Carries(P::kUnspecified, kMaybeFd), R::kAck, kVmmVhost),
    Back(B::kLegacyGpuMap, "crosvm GPU_MAP", Carries(P::kUnspecified, kOneFd), R::kAlwaysAck,
         "crosvm third_party/vmm_vhost/src/frontend_server.rs"),
    Back(B::kLegacyExternalMap, "crosvm EXTERNAL_MAP", Carries(P::kUnspecified), R::kAlwaysAck,
         "crosvm third_party/vmm_vhost/src/frontend_server.rs"),
};

constexpr bool IdLess(const MessageInfo& a, const MessageInfo& b) { return a.id < b.id; }
static_assert(std::is_sorted(std::begin(kMainMessages), std::end(kMainMessages), IdLess));
static_assert(std::is_sorted(std::begin(kBackendMessages), std::end(kBackendMessages), IdLess));

}  // namespace

std::span<const MessageInfo> Messages(Channel channel) {
  if (channel == Channel::kMain) return kMainMessages;
  return kBackendMessages;
}

const MessageInfo* FindMessage(Channel channel, uint32_t id) {
  const std::span<const MessageInfo> rows = Messages(channel);
  const auto row =
      std::lower_bound(rows.begin(), rows.end(), id,
                       [](const MessageInfo& info, uint32_t wanted) { return info.id < wanted; });
  return row != rows.end() && row->id == id ? &*row : nullptr;
}

bool ExpectsReply(const MessageInfo& message, uint32_t flags, const ReplyContext& context) {
  const bool wants_ack = (flags & kNeedReplyFlag) != 0;
  switch (message.reply_kind) {
    case ReplyKind::kAck:
      return wants_ack;
    case ReplyKind::kOwn:
    case ReplyKind::kAlwaysAck:
      return true;
    case ReplyKind::kOwnIfLogShmfd:
      return wants_ack || context.log_shmfd_negotiated;
    case ReplyKind::kOwnIfPostcopy:
      return wants_ack || context.postcopy_listening;
  }
  return wants_ack;
}

}  // namespace shmemd::vhost
