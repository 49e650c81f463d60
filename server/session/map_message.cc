#include "server/session/map_message.h"

#include <algorithm>
#include <array>
#include <limits>

#include "server/vhost/codec.h"

namespace shmemd::session {
namespace {

uint16_t Saturated(size_t count) {
  return static_cast<uint16_t>(std::min<size_t>(count, std::numeric_limits<uint16_t>::max()));
}

// R is 1 and W is 2 there: vmm_vhost's VhostUserShmemMapMsgFlags.
constexpr uint8_t kLegacyWrite = 2;

std::optional<RelayedMap> ReadLegacyMap(const vhost::MessageView& message) {
  const absl::StatusOr<vhost::LegacyMap> wire =
      vhost::DecodePayload<vhost::LegacyMap>("crosvm SHMEM_MAP", message.payload);
  if (!wire.ok()) return std::nullopt;
  RelayedMap map;
  map.request.shm_offset = wire->shm_offset;
  map.request.len = wire->len;
  map.request.fd_offset = wire->fd_offset;
  map.request.flags = (wire->flags & kLegacyWrite) != 0 ? state::kMapFlagReadWrite : 0;
  map.request.shmid = wire->shmid;
  return map;
}

std::optional<RelayedMap> ReadLegacyUnmap(const vhost::MessageView& message) {
  const absl::StatusOr<vhost::LegacyUnmap> wire =
      vhost::DecodePayload<vhost::LegacyUnmap>("crosvm SHMEM_UNMAP", message.payload);
  if (!wire.ok()) return std::nullopt;
  RelayedMap map{.unmap = true};
  map.request.shm_offset = wire->shm_offset;
  map.request.len = wire->len;
  map.request.shmid = wire->shmid;
  return map;
}

// Any size of payload will do.
RelayedMap ReadLenientMap(const vhost::MessageView& message) {
  std::array<uint8_t, sizeof(vhost::MMapPayload)> payload{};
  const size_t given = std::min(payload.size(), message.payload.size());
  std::copy_n(message.payload.begin(), given, payload.begin());
  const absl::StatusOr<vhost::MMap> wire = vhost::DecodeMMap(payload);
  RelayedMap map{.exact = message.payload.size() == payload.size()};
  if (!wire.ok()) return map;
  map.request.shm_offset = wire->shm_offset;
  map.request.len = wire->len;
  map.request.fd_offset = wire->fd_offset;
  map.request.flags = wire->flags;
  map.request.shmid = wire->shmid;
  map.request.padding_nonzero = wire->padding_nonzero;
  return map;
}

std::optional<RelayedMap> ReadAnyMap(const vhost::MessageView& message) {
  switch (static_cast<vhost::BackendRequest>(message.header.request)) {
    case vhost::BackendRequest::kShmemMap:
      return ReadLenientMap(message);
    case vhost::BackendRequest::kShmemUnmap: {
      RelayedMap map = ReadLenientMap(message);
      map.unmap = true;
      return map;
    }
    case vhost::BackendRequest::kLegacyShmemMap:
      return ReadLegacyMap(message);
    case vhost::BackendRequest::kLegacyShmemUnmap:
      return ReadLegacyUnmap(message);
    default:
      return std::nullopt;
  }
}

}  // namespace

absl::StatusOr<state::MapRequest> ReadMap(const vhost::MessageView& message, const base::FdFacts& fd,
                                          size_t fd_count, bool reply_ack) {
  const absl::StatusOr<vhost::MMap> wire = vhost::DecodeMMap(message.payload);
  if (!wire.ok()) return wire.status();
  return state::MapRequest{.shm_offset = wire->shm_offset,
                           .len = wire->len,
                           .fd_offset = wire->fd_offset,
                           .flags = wire->flags,
                           .fd = fd,
                           .fd_count = Saturated(fd_count),
                           .shmid = wire->shmid,
                           .need_reply = reply_ack && message.header.needs_reply(),
                           .padding_nonzero = wire->padding_nonzero};
}

absl::StatusOr<state::UnmapRequest> ReadUnmap(const vhost::MessageView& message, size_t fd_count,
                                              bool reply_ack) {
  const absl::StatusOr<vhost::MMap> wire = vhost::DecodeMMap(message.payload);
  if (!wire.ok()) return wire.status();
  return state::UnmapRequest{.shm_offset = wire->shm_offset,
                             .len = wire->len,
                             .fd_count = Saturated(fd_count),
                             .shmid = wire->shmid,
                             .need_reply = reply_ack && message.header.needs_reply()};
}

std::optional<RelayedMap> ReadRelayedMap(const vhost::MessageView& message, const base::FdFacts& fd,
                                         size_t fd_count, bool reply_ack) {
  std::optional<RelayedMap> map = ReadAnyMap(message);
  if (!map) return std::nullopt;
  if (!map->unmap) map->request.fd = fd;
  map->request.fd_count = Saturated(fd_count);
  map->request.need_reply = reply_ack && message.header.needs_reply();
  return map;
}

}  // namespace shmemd::session
