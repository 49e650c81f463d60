// Values to bytes and bytes to values. Pure functions, any thread, nothing kept.
//
// Strict out: what we encode is what the specification says. Tolerant in: what can be understood is decoded
// and its oddities are kept as values; what cannot is InvalidArgument, saying expected and got. No input
// reads out of bounds, allocates or aborts. File descriptors travel beside the bytes and are not seen here.
#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <array>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "server/vhost/payload.h"
#include "server/vhost/protocol.h"

namespace shmemd::vhost {

std::array<uint8_t, kHeaderBytes> EncodeHeader(const Header& header);

// Reads the first 12 of `bytes`; fewer are an error. Says nothing of version, flags or id: peers are lenient
// there.
absl::StatusOr<Header> DecodeHeader(std::span<const uint8_t> bytes);

// A whole message with a payload of fixed size: any struct of payload.h, or uint64_t.
template <typename Payload>
std::array<uint8_t, kHeaderBytes + sizeof(Payload)> EncodeMessage(uint32_t request, uint32_t flags,
                                                                  const Payload& payload) {
  static_assert(kIsWireLayout<Payload>);
  std::array<uint8_t, kHeaderBytes + sizeof(Payload)> message;
  const Header header{request, flags, sizeof(Payload)};
  std::memcpy(message.data(), &header, sizeof(header));
  std::memcpy(message.data() + sizeof(header), &payload, sizeof(payload));
  return message;
}

absl::Status CheckPayloadBytes(std::string_view what, size_t expected, size_t got);

// A payload of exactly sizeof(Payload) bytes; `what` names it in the error.
template <typename Payload>
absl::StatusOr<Payload> DecodePayload(std::string_view what, std::span<const uint8_t> payload) {
  static_assert(kIsWireLayout<Payload>);
  if (absl::Status status = CheckPayloadBytes(what, sizeof(Payload), payload.size()); !status.ok())
    return status;
  Payload value;
  std::memcpy(&value, payload.data(), sizeof(value));
  return value;
}

// Messages whose payload is one u64: features, acks, queue number, status. `payload` must be exactly 8 bytes.
inline absl::StatusOr<uint64_t> DecodeU64(std::string_view what, std::span<const uint8_t> payload) {
  return DecodePayload<uint64_t>(what, payload);
}

// The u64 answer to a request on the back-end channel that asked for one; kAckOk or AckErrno(e). Flags are
// always 0x5, where QEMU echoes the version of the request: rust-vmm and crosvm back-ends accept nothing
// else.
std::array<uint8_t, kHeaderBytes + 8> EncodeAck(BackendRequest request, uint64_t value);

// GET_SHMEM_CONFIG without payload: 2c000000 01000000 00000000. To be sent without fds.
std::array<uint8_t, kHeaderBytes> EncodeShmemConfigRequest();

// What a reply to GET_SHMEM_CONFIG said, as sent.
struct ShmemConfigReply {
  uint32_t num_regions = 0;                   // a claim; never a bound for `sizes`
  uint32_t padding = 0;                       // the spec does not demand 0
  std::array<uint64_t, kMaxRegions> sizes{};  // the index is the shmid; 0: unused, or not sent
  uint32_t payload_bytes = 0;                 // 2056 from a peer that follows the spec

  bool truncated() const { return payload_bytes < sizeof(ShmemConfigPayload); }
  uint32_t nonzero_sizes() const;
  std::optional<uint32_t> highest_shmid() const;  // nullopt: no region at all
  bool operator==(const ShmemConfigReply&) const = default;
};

// The payload of the reply. 8 + 8n bytes, n up to 256: peers cut the array after the last used entry (crosvm,
// 2025-12 to 2026-01) though the spec has it at its full length.
absl::StatusOr<ShmemConfigReply> DecodeShmemConfigReply(std::span<const uint8_t> payload);

// The whole reply, 2068 bytes whatever the number of regions, num_regions the count of sizes that are not 0.
std::vector<uint8_t> EncodeShmemConfigReply(std::span<const uint64_t, kMaxRegions> sizes);

// What SHMEM_MAP and SHMEM_UNMAP say of a range. UNMAP needs shmid, shm_offset and len alone.
struct MMap {
  uint8_t shmid = 0;
  bool padding_nonzero = false;  // the spec does not demand 0; nobody checks
  uint64_t fd_offset = 0;        // into the fd sent along
  uint64_t shm_offset = 0;       // into the region
  uint64_t len = 0;              // bytes
  uint64_t flags = 0;

  bool writable() const { return (flags & kMapReadWrite) != 0; }
  uint64_t unknown_flags() const { return flags & ~kMapReadWrite; }
  bool operator==(const MMap&) const = default;
};

// Exactly 40 bytes. Ranges are not judged: they may be empty, unaligned or wrap.
absl::StatusOr<MMap> DecodeMMap(std::span<const uint8_t> payload);

// The whole message, 52 bytes; `request` is kShmemMap (to be sent with one fd) or kShmemUnmap (without).
std::array<uint8_t, kHeaderBytes + sizeof(MMapPayload)> EncodeMMap(BackendRequest request, uint32_t flags,
                                                                   const MMap& mmap);

}  // namespace shmemd::vhost
