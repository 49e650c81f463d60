// One vhost-user socket cut into messages with their descriptors, and room for the messages that did not fit
// out.
//
// Owned by a connection or a back-end channel, used on the loop's thread; never blocks. Memory is bounded by
// one message in each direction: whoever sends stops reading while has_output(). Descriptors are bounded by
// 64 that wait to be closed, and those of one message.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "server/base/unique_fd.h"
#include "server/net/fd_closer.h"
#include "server/net/message_io.h"
#include "server/state/status.h"
#include "server/vhost/framer.h"

namespace shmemd::frontend {

class MessageChannel {
 public:
  // `socket` is non-blocking. A message with a larger payload ends the stream before anything is allocated.
  // `closer` outlives the channel.
  MessageChannel(base::UniqueFd socket, uint32_t max_payload_bytes, net::FdCloser& closer)
      : socket_(std::move(socket)),
        reader_(max_payload_bytes),
        max_payload_bytes_(max_payload_bytes),
        closer_(closer) {}
  ~MessageChannel() { CloseFds(fds_); }
  MessageChannel(const MessageChannel&) = delete;
  MessageChannel& operator=(const MessageChannel&) = delete;

  enum class Status : uint8_t {
    kMessage,
    kWouldBlock,
    kBusy,  // too many descriptors of this peer still wait to be closed: come again by a timer
    kEnded,
  };
  struct Received {
    Status status = Status::kWouldBlock;
    vhost::MessageView message;       // kMessage: valid until the next Receive
    std::vector<base::UniqueFd> fds;  // kMessage: those of its first byte, to be given to CloseFds
    state::Cause cause;               // kEnded: closed, closed mid-message, too large, or a system error
  };
  // At most one message. After kEnded there is nothing more.
  Received Receive();
  // Closes what came, without waiting. The vector is empty afterwards.
  void CloseFds(std::vector<base::UniqueFd>& fds) { closer_.Close(fds, tally_); }

  // Takes a whole message, and sends what fits. With `fd`, it goes with the first byte and is closed once
  // sent. kDone: all sent; kWouldBlock: the rest waits for Flush; else the channel has ended.
  net::IoResult Send(std::span<const uint8_t> message, base::UniqueFd fd = base::UniqueFd());
  net::IoResult Flush();
  bool has_output() const { return !output_.empty(); }

  int fd() const { return socket_.get(); }

 private:
  Received End(const state::Cause& cause);

  base::UniqueFd socket_;
  vhost::MessageReader reader_;
  uint32_t max_payload_bytes_;
  net::FdCloser& closer_;
  net::FdCloser::Tally tally_;
  std::vector<base::UniqueFd> fds_;  // of the message that is being read
  std::vector<uint8_t> output_;
  base::UniqueFd output_fd_;
  bool ended_ = false;
};

}  // namespace shmemd::frontend
