// A front-end's side of the main channel: requests, and the wait for their replies. As in QEMU, nothing else
// is done while a reply is awaited, so that what comes on the back-end channel waits, too.
//
// Owned by a VMM's session, used on its thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "tests/peers/channel.h"
#include "tests/peers/fd.h"
#include "tests/peers/transcript.h"
#include "tests/peers/wire.h"

namespace shmemd::peers {

class MainChannel {
 public:
  // `transcript` outlives it. When `stop_fd` becomes readable, waits end.
  MainChannel(Fd socket, int stop_fd, std::chrono::milliseconds reply_timeout, Transcript* transcript)
      : channel_(std::move(socket)), stop_fd_(stop_fd), timeout_(reply_timeout), transcript_(transcript) {}

  Channel& channel() { return channel_; }
  const Channel& channel() const { return channel_; }

  // Acks are asked for from now on, where QEMU asks for them.
  void SetReplyAck(bool has_reply_ack) { has_reply_ack_ = has_reply_ack; }
  bool has_reply_ack() const { return has_reply_ack_; }

  // No answer is expected.
  bool Tell(uint32_t request, const Bytes& payload, const std::vector<int>& fds = {});
  // A request with a reply of its own: the reply, or nothing when it did not come or is odd (which is told).
  std::optional<Message> Ask(uint32_t request, const Bytes& payload = {});
  std::optional<uint64_t> AskU64(uint32_t request);
  // A request that is acknowledged with REPLY_ACK. True when it was, with 0, or no ack was asked for.
  bool Request(uint32_t request, const Bytes& payload, const std::vector<int>& fds = {});

  // What comes without having been asked for; false when nothing came.
  bool DropStray();

 private:
  std::optional<Message> Await(uint32_t request);

  Channel channel_;
  const int stop_fd_;
  const std::chrono::milliseconds timeout_;
  Transcript* transcript_;
  bool has_reply_ack_ = false;
};

}  // namespace shmemd::peers
