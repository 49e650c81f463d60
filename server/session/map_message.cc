#include "server/session/map_message.h"

#include <algorithm>
#include <limits>

#include "server/vhost/codec.h"

namespace shmemd::session {
namespace {

uint16_t Saturated(size_t count) {
  return static_cast<uint16_t>(std::min<size_t>(count, std::numeric_limits<uint16_t>::max()));
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

}  // namespace shmemd::session
