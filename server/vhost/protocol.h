// The numbers of vhost-user: message ids, header flags, protocol feature bits, limits.
//
// Data only: no state, any thread. "Spec" is the vhost-user specification as shipped with QEMU 11.1 (the
// section is named); where an implementation decides, it is named instead. Payload layouts are in payload.h,
// what each message carries and how it is answered in message_table.h, texts in names.h.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace shmemd::vhost {

// The two sockets of a session. Each has its own space of request ids: id 9 is SET_VRING_ADDR on the main
// channel and SHMEM_MAP on the back-end channel. Requests on kMain come from the front-end, on kBackend from
// the back-end.
enum class Channel : uint8_t { kMain, kBackend };

// Requests of the front-end. Spec, "Front-end message types".
enum class FrontendRequest : uint32_t {
  kGetFeatures = 1,
  kSetFeatures = 2,
  kSetOwner = 3,
  kResetOwner = 4,
  kSetMemTable = 5,
  kSetLogBase = 6,
  kSetLogFd = 7,
  kSetVringNum = 8,
  kSetVringAddr = 9,
  kSetVringBase = 10,
  kGetVringBase = 11,
  kSetVringKick = 12,
  kSetVringCall = 13,
  kSetVringErr = 14,
  kGetProtocolFeatures = 15,
  kSetProtocolFeatures = 16,
  kGetQueueNum = 17,
  kSetVringEnable = 18,
  kSendRarp = 19,
  kNetSetMtu = 20,
  kSetBackendReqFd = 21,
  kIotlbMsg = 22,
  kSetVringEndian = 23,
  kGetConfig = 24,
  kSetConfig = 25,
  kCreateCryptoSession = 26,
  kCloseCryptoSession = 27,
  kPostcopyAdvise = 28,
  kPostcopyListen = 29,
  kPostcopyEnd = 30,
  kGetInflightFd = 31,
  kSetInflightFd = 32,
  kGpuSetSocket = 33,
  kResetDevice = 34,
  kVringKick = 35,
  kGetMaxMemSlots = 36,
  kAddMemReg = 37,
  kRemMemReg = 38,
  kSetStatus = 39,
  kGetStatus = 40,
  kGetSharedObject = 41,
  kSetDeviceStateFd = 42,
  kCheckDeviceState = 43,
  kGetShmemConfig = 44,

  kLegacyGetSharedMemoryRegions = 1004,  // crosvm, 2022-10 to 2025-12, with SHMEM at bit 17 and later 31
};

// Requests of the back-end. Spec, "Back-end message types"; 11 and 12 were proposed with SHMEM_MAP and
// dropped (QEMU 11.1 refuses them), 1000 and above are crosvm's own.
enum class BackendRequest : uint32_t {
  kIotlbMsg = 1,
  kConfigChangeMsg = 2,
  kVringHostNotifierMsg = 3,
  kVringCall = 4,
  kVringErr = 5,
  kSharedObjectAdd = 6,
  kSharedObjectRemove = 7,
  kSharedObjectLookup = 8,
  kShmemMap = 9,
  kShmemUnmap = 10,
  kMemRead = 11,
  kMemWrite = 12,

  kLegacyShmemMap = 1000,
  kLegacyShmemUnmap = 1001,
  kLegacyFsMap = 1002,
  kLegacyFsUnmap = 1003,
  kLegacyFsSync = 1004,
  kLegacyFsIo = 1005,
  kLegacyGpuMap = 1006,
  kLegacyExternalMap = 1007,
};

constexpr uint32_t Id(FrontendRequest request) { return static_cast<uint32_t>(request); }
constexpr uint32_t Id(BackendRequest request) { return static_cast<uint32_t>(request); }

// Header flags. Spec, "Header"; that bits 4 to 31 must be 0 is rust-vmm's and crosvm's rule.
inline constexpr uint32_t kVersionMask = 0x3;
inline constexpr uint32_t kVersion = 0x1;
inline constexpr uint32_t kReplyFlag = 0x4;
inline constexpr uint32_t kNeedReplyFlag = 0x8;
inline constexpr uint32_t kReservedFlags = ~uint32_t{0xf};

inline constexpr uint32_t kRequestFlags = kVersion;                          // 0x1
inline constexpr uint32_t kRequestWithAckFlags = kVersion | kNeedReplyFlag;  // 0x9
inline constexpr uint32_t kReplyFlags = kVersion | kReplyFlag;               // 0x5, the only value QEMU takes

// The u64 of an ack. Spec, REPLY_ACK: 0 is success, anything else a failure. QEMU says 1, rust-vmm and crosvm
// -errno as two's complement.
inline constexpr uint64_t kAckOk = 0;
constexpr uint64_t AckErrno(int error_number) { return static_cast<uint64_t>(-int64_t{error_number}); }

// SHMEM_MAP flags. Spec, "VhostUserMMap": 0 is read-only, bit 0 read-write, no other is defined.
inline constexpr uint64_t kMapReadWrite = 0x1;

// Bits of GET_PROTOCOL_FEATURES. Spec, "Protocol features"; none above 22 is defined.
enum class ProtocolFeature : uint8_t {
  kMq = 0,
  kLogShmfd = 1,
  kRarp = 2,
  kReplyAck = 3,
  kMtu = 4,
  kBackendReq = 5,
  kCrossEndian = 6,
  kCryptoSession = 7,
  kPagefault = 8,
  kConfig = 9,
  kBackendSendFd = 10,
  kHostNotifier = 11,
  kInflightShmfd = 12,
  kResetDevice = 13,
  kInbandNotifications = 14,
  kConfigureMemSlots = 15,
  kStatus = 16,
  kXenMmap = 17,
  kSharedObject = 18,
  kDeviceState = 19,
  kGetVringBaseInflight = 20,
  kGpaAddresses = 21,
  kShmem = 22,
};
inline constexpr unsigned kProtocolFeatureCount = 23;

constexpr uint64_t Mask(ProtocolFeature feature) { return uint64_t{1} << static_cast<unsigned>(feature); }
constexpr bool Has(uint64_t mask, ProtocolFeature feature) { return (mask & Mask(feature)) != 0; }

// VHOST_USER_F_PROTOCOL_FEATURES: a bit of GET_FEATURES, not of the protocol features.
inline constexpr uint64_t kVirtioProtocolFeatures = uint64_t{1} << 30;

// Where SHMEM stood before bit 22 became final. A peer that offers one of these without 22 may mean an older
// SHMEM, or what the bit means today: nobody can tell, so it is reported and never negotiated as SHMEM.
struct HistoricShmemBit {
  uint8_t bit;
  std::string_view spoken_by;
  std::string_view means_today;  // empty: unassigned
};
inline constexpr std::array<HistoricShmemBit, 4> kHistoricShmemBits{{
    {17, "crosvm, 2022-10 to 2023-08, with its own message ids", "XEN_MMAP"},
    {20, "QEMU patches up to v12; crosvm, 2025-12 to 2026-03", "GET_VRING_BASE_INFLIGHT"},
    {21, "QEMU patches v13; rust-vmm vhost 0.16; crosvm, 2026-03 to 2026-08; alioth", "GPA_ADDRESSES"},
    {31, "crosvm, 2023-08 to 2025-12, with its own message ids", ""},
}};

inline constexpr uint32_t kHeaderBytes = 12;
inline constexpr uint32_t kMaxRegions = 256;      // shmid is 8 bits. Spec, "VhostUserShMemConfig"
inline constexpr uint32_t kMaxMemoryRegions = 8;  // SET_MEM_TABLE. Spec, "Memory region table description"
inline constexpr uint32_t kMaxDeviceConfigBytes = 256;  // Spec, "Virtio device config space"
inline constexpr uint32_t kMaxPayloadBytes =
    4096;  // the largest that any known peer takes: rust-vmm; QEMU takes 2056

}  // namespace shmemd::vhost
