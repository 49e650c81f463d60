// SHMEM_MAP and SHMEM_UNMAP of the wire as requests of the model.
//
// Pure functions, any thread. Nothing is judged here but the size of the payload: ranges, flags and the
// number of descriptors are the model's rules.
#pragma once

#include <absl/status/statusor.h>

#include <cstddef>

#include "server/base/fd_facts.h"
#include "server/state/mapping.h"
#include "server/vhost/framer.h"

namespace shmemd::session {

// `fd` are the facts of the first of `fd_count` descriptors. `reply_ack` says whether REPLY_ACK is agreed on:
// without it NEED_REPLY means nothing (specification, REPLY_ACK). InvalidArgument for a payload that is not
// 40 bytes.
absl::StatusOr<state::MapRequest> ReadMap(const vhost::MessageView& message, const base::FdFacts& fd,
                                          size_t fd_count, bool reply_ack);
absl::StatusOr<state::UnmapRequest> ReadUnmap(const vhost::MessageView& message, size_t fd_count,
                                              bool reply_ack);

}  // namespace shmemd::session
