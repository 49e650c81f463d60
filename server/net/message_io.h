// Bytes and descriptors over a connected, non-blocking Unix stream socket: one system call each, four
// outcomes.
//
// Owns nothing, any thread. Descriptors that arrive are owned by the caller from the first moment, also when
// the call ends in an error. Never raises SIGPIPE.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "server/base/unique_fd.h"

namespace shmemd::net {

enum class IoStatus : uint8_t {
  kDone,        // `bytes` bytes were moved, at least one
  kWouldBlock,  // nothing was moved; wait
  kClosed,      // the peer is gone: EOF, EPIPE or ECONNRESET
  kError,       // `error_number` says why
};

struct IoResult {
  IoStatus status = IoStatus::kError;
  size_t bytes = 0;
  int error_number = 0;
  bool fds_lost = false;  // Receive: the kernel had descriptors that it could not give us (MSG_CTRUNC)
};

// The most descriptors that the kernel carries with one message (SCM_MAX_FD).
inline constexpr size_t kMaxFdsPerMessage = 253;

// Reads at most `space` bytes and appends the descriptors that came with them to `fds`, close-on-exec. The
// kernel stops behind a chunk that carried descriptors, so ask for no more than the rest of one header or
// payload: else descriptors of the next message are taken for this one's.
IoResult Receive(int socket, std::span<uint8_t> space, std::vector<base::UniqueFd>& fds);

// As Receive, and leaves bytes and descriptors queued: the caller gets duplicates. The kernel looks on behind
// the last byte that was asked for until it meets descriptors, so they belong to this read only if fewer
// bytes came than were asked for; then they belong to the send in which the bytes end.
IoResult Peek(int socket, std::span<uint8_t> space, std::vector<base::UniqueFd>& fds);

// Takes at most `space` bytes out of the queue; descriptors with them are dropped by the kernel, which waits
// for nobody.
IoResult Discard(int socket, std::span<uint8_t> space);

// Whether the peer has read all that was sent to it, and so all descriptors.
bool AllRead(int socket);

// Writes what fits. `fds` (at most kMaxFdsPerMessage, borrowed) go with the first byte: leave them out when
// the rest of a message is sent. ETOOMANYREFS, too many descriptors in flight for this user, is kWouldBlock,
// as is a moment without memory, and no readiness event will follow them: try again by a timer.
IoResult Send(int socket, std::span<const uint8_t> bytes, std::span<const int> fds = {});

}  // namespace shmemd::net
