#include "server/vhost/codec.h"

#include <absl/strings/str_cat.h>
#include <absl/strings/str_format.h>
#include <absl/strings/string_view.h>

#include <algorithm>
#include <bit>

#include "server/vhost/names.h"

namespace shmemd::vhost {
namespace {

constexpr size_t kConfigPrefixBytes = offsetof(ShmemConfigPayload, sizes);
constexpr size_t kSizeBytes = sizeof(uint64_t);

absl::string_view View(std::string_view text) { return {text.data(), text.size()}; }

}  // namespace

std::array<uint8_t, kHeaderBytes> EncodeHeader(const Header& header) {
  return std::bit_cast<std::array<uint8_t, kHeaderBytes>>(header);
}

absl::StatusOr<Header> DecodeHeader(std::span<const uint8_t> bytes) {
  if (bytes.size() < kHeaderBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat("header: expected ", kHeaderBytes, " bytes, got ", bytes.size()));
  }
  return DecodePayload<Header>("header", bytes.first(kHeaderBytes));
}

absl::Status CheckPayloadBytes(std::string_view what, size_t expected, size_t got) {
  if (got == expected) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(View(what), ": expected a payload of ", expected, " bytes, got ", got));
}

std::array<uint8_t, kHeaderBytes + 8> EncodeAck(BackendRequest request, uint64_t value) {
  return EncodeMessage(Id(request), kReplyFlags, value);
}

std::array<uint8_t, kHeaderBytes> EncodeShmemConfigRequest() {
  return EncodeHeader({Id(FrontendRequest::kGetShmemConfig), kRequestFlags, 0});
}

uint32_t ShmemConfigReply::nonzero_sizes() const {
  return kMaxRegions - static_cast<uint32_t>(std::count(sizes.begin(), sizes.end(), 0));
}

std::optional<uint32_t> ShmemConfigReply::highest_shmid() const {
  for (uint32_t i = kMaxRegions; i > 0; --i) {
    if (sizes[i - 1] != 0) return i - 1;
  }
  return std::nullopt;
}

absl::StatusOr<ShmemConfigReply> DecodeShmemConfigReply(std::span<const uint8_t> payload) {
  if (payload.size() < kConfigPrefixBytes || payload.size() > sizeof(ShmemConfigPayload) ||
      (payload.size() - kConfigPrefixBytes) % kSizeBytes != 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("reply to GET_SHMEM_CONFIG: expected a payload of ", sizeof(ShmemConfigPayload),
                     " bytes (or, cut short, of 8 + 8n), got ", payload.size()));
  }
  ShmemConfigPayload wire;
  std::memcpy(&wire, payload.data(), payload.size());
  return ShmemConfigReply{.num_regions = wire.num_regions,
                          .padding = wire.padding,
                          .sizes = wire.sizes,
                          .payload_bytes = static_cast<uint32_t>(payload.size())};
}

std::vector<uint8_t> EncodeShmemConfigReply(std::span<const uint64_t, kMaxRegions> sizes) {
  ShmemConfigPayload wire;
  std::copy(sizes.begin(), sizes.end(), wire.sizes.begin());
  wire.num_regions = kMaxRegions - static_cast<uint32_t>(std::count(sizes.begin(), sizes.end(), 0));
  const auto message = EncodeMessage(Id(FrontendRequest::kGetShmemConfig), kReplyFlags, wire);
  return {message.begin(), message.end()};
}

absl::StatusOr<MMap> DecodeMMap(std::span<const uint8_t> payload) {
  absl::StatusOr<MMapPayload> wire = DecodePayload<MMapPayload>("SHMEM_MAP or SHMEM_UNMAP", payload);
  if (!wire.ok()) return wire.status();
  return MMap{.shmid = wire->shmid,
              .padding_nonzero = wire->padding != decltype(wire->padding){},
              .fd_offset = wire->fd_offset,
              .shm_offset = wire->shm_offset,
              .len = wire->len,
              .flags = wire->flags};
}

std::array<uint8_t, kHeaderBytes + sizeof(MMapPayload)> EncodeMMap(BackendRequest request, uint32_t flags,
                                                                   const MMap& mmap) {
  const MMapPayload wire{.shmid = mmap.shmid,
                         .fd_offset = mmap.fd_offset,
                         .shm_offset = mmap.shm_offset,
                         .len = mmap.len,
                         .flags = mmap.flags};
  return EncodeMessage(Id(request), flags, wire);
}

}  // namespace shmemd::vhost
