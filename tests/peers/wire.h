// The vhost-user bytes that a back-end needs, written down once more from the specification: the header, the
// ids and the payloads of GET_SHMEM_CONFIG, SHMEM_MAP and SHMEM_UNMAP. Byte order is the machine's own.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#include "tests/peers/fd.h"

namespace shmemd::peers {

using Bytes = std::vector<uint8_t>;

constexpr size_t kHeaderBytes = 12;
// Larger than anything a front-end may send (the QEMU ceiling is 2056, rust-vmm's 4096).
constexpr uint32_t kMaxPayloadBytes = 16384;
constexpr size_t kMaxFdsPerMessage = 64;

constexpr uint32_t kVersion = 0x1;
constexpr uint32_t kReplyFlag = 0x4;
constexpr uint32_t kNeedReplyFlag = 0x8;
constexpr uint32_t kReplyFlags = kVersion | kReplyFlag;

enum FrontendRequest : uint32_t {
  kGetFeatures = 1,
  kSetFeatures = 2,
  kSetOwner = 3,
  kSetMemTable = 5,
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
  kSetBackendReqFd = 21,
  kIotlbMsg = 22,
  kGetConfig = 24,
  kResetDevice = 34,
  kGetMaxMemSlots = 36,
  kAddMemReg = 37,
  kRemMemReg = 38,
  kSetStatus = 39,
  kGetStatus = 40,
  kGetShmemConfig = 44,
};

enum BackendRequest : uint32_t {
  kShmemMap = 9,
  kShmemUnmap = 10,
};

constexpr int kFeatureProtocolFeatures = 30;  // of GET_FEATURES, beside VIRTIO_F_VERSION_1
constexpr int kFeatureVersion1 = 32;

// Bits of GET_PROTOCOL_FEATURES.
constexpr int kFeatureMq = 0;
constexpr int kFeatureReplyAck = 3;
constexpr int kFeatureBackendReq = 5;
constexpr int kFeatureConfig = 9;
constexpr int kFeatureBackendSendFd = 10;
constexpr int kFeatureConfigureMemSlots = 15;
constexpr int kFeatureStatus = 16;
constexpr int kFeatureShmem = 22;

constexpr uint64_t FeatureMask(int bit) { return uint64_t{1} << bit; }

template <typename T>
void Put(Bytes& bytes, T value) {
  bytes.resize(bytes.size() + sizeof(value));
  std::memcpy(bytes.data() + bytes.size() - sizeof(value), &value, sizeof(value));
}

// The value at `offset`; what lies behind the end reads as 0.
template <typename T>
T Get(const Bytes& bytes, size_t offset) {
  T value{};
  if (offset + sizeof(T) <= bytes.size()) std::memcpy(&value, bytes.data() + offset, sizeof(T));
  return value;
}

inline Bytes EncodeMessage(uint32_t request, uint32_t flags, const Bytes& payload) {
  Bytes bytes;
  bytes.reserve(kHeaderBytes + payload.size());
  Put<uint32_t>(bytes, request);
  Put<uint32_t>(bytes, flags);
  Put<uint32_t>(bytes, static_cast<uint32_t>(payload.size()));
  bytes.insert(bytes.end(), payload.begin(), payload.end());
  return bytes;
}

inline Bytes U64Payload(uint64_t value) {
  Bytes bytes;
  Put<uint64_t>(bytes, value);
  return bytes;
}

// A whole message as it arrived, with the descriptors that came on its header.
struct Message {
  uint32_t request = 0;
  uint32_t flags = 0;
  Bytes payload;
  std::vector<Fd> fds;
};

}  // namespace shmemd::peers
