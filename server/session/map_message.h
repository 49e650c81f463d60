// SHMEM_MAP and SHMEM_UNMAP of the wire as requests of the model.
//
// Pure functions, any thread. Nothing is judged here but the size of the payload: ranges, flags and the
// number of descriptors are the model's rules.
#pragma once

#include <absl/status/statusor.h>

#include <cstddef>
#include <optional>

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

// A map or unmap that passes a relay: what a VMM would make of it, which decides.
struct RelayedMap {
  bool unmap = false;
  bool exact = true;            // its payload has the size that the specification says
  state::MapRequest request{};  // of an unmap: shmid, shm_offset, len, fd_count and need_reply
};

// nullopt: another message. SHMEM_MAP and SHMEM_UNMAP are read as QEMU 11.1 reads them: missing bytes are 0,
// surplus ones are ignored. Messages 1000 and 1001, crosvm's dialect until 2025-12, have their own order of
// fields, their own flags, and one size each. `fd`, `fd_count` and `reply_ack` as above.
std::optional<RelayedMap> ReadRelayedMap(const vhost::MessageView& message, const base::FdFacts& fd,
                                         size_t fd_count, bool reply_ack);

}  // namespace shmemd::session
