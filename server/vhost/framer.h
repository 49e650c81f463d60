// Cuts a byte stream into messages. No socket, no fds: the callers read, these say how far.
//
// fds belong to the first byte of the write that carried them, and a large read joins a message without fds
// to the next one with fds. So nobody reads "whatever is there": our own front-end reads what MessageReader
// asks for, header first, then exactly the payload; whoever peeks asks PeekFrame how long the message is.
#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "server/vhost/payload.h"

namespace shmemd::vhost {

struct MessageView {
  Header header;
  std::span<const uint8_t> payload;
};

// Reads one message after the other into a buffer of its own, which never holds more than
// `max_payload_bytes`. Owned by one connection, used by its thread. The loop:
//
//   n = recvmsg(fd, reader.space());
//   message = reader.Advance(n);   // error: close the connection; nullopt: read on; else: handle it
//
// After an error the stream has no known boundary any more: space() is empty and Advance fails for good.
class MessageReader {
 public:
  explicit MessageReader(uint32_t max_payload_bytes) : max_payload_bytes_(max_payload_bytes) {}

  // Where the next bytes go, and how many at most: the rest of the header, else the rest of the payload.
  // Valid until the next call of Advance.
  std::span<uint8_t> space();

  // `bytes` were written to the start of space(). Returns the message they complete; its payload is valid
  // until the next call of Advance. InvalidArgument, before anything is allocated, for a payload over the
  // limit; OutOfRange if `bytes` is more than there was space for.
  absl::StatusOr<std::optional<MessageView>> Advance(size_t bytes);

  // True where a message may begin or the stream may end: EOF elsewhere has torn a message. fds received
  // while this is true belong to the message that begins; later ones are out of place.
  bool at_boundary() const { return header_filled_ == 0; }

  // The newest header that came whole, also that of a message which was refused for its size.
  const Header& header() const { return header_; }

 private:
  absl::StatusOr<std::optional<MessageView>> Fail(absl::Status status);
  absl::Status BeginPayload();
  MessageView TakeMessage();

  uint32_t max_payload_bytes_;
  std::array<uint8_t, kHeaderBytes> header_bytes_{};
  size_t header_filled_ = 0;
  Header header_;
  std::vector<uint8_t> payload_;
  size_t payload_filled_ = 0;
  absl::Status failure_;
};

// What peeked bytes amount to.
struct Frame {
  bool whole = false;
  // The length of the message that begins at the first byte, header included; while that is unknown, the 12
  // bytes of the header. Up to 2^32 + 11: the caller has a limit of its own.
  uint64_t message_bytes = kHeaderBytes;

  bool operator==(const Frame&) const = default;
};

// Judges by the header's size alone: version, flags and id are the readers' business, since the peers are
// lenient there.
Frame PeekFrame(std::span<const uint8_t> bytes);

}  // namespace shmemd::vhost
