// One connected vhost-user socket, cut into messages. Owned by a session, used by its thread alone. Never
// blocks on receiving; sending waits for room up to a deadline. A peer that closes, or breaks the framing, is
// `closed()`.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "tests/peers/fd.h"
#include "tests/peers/wire.h"

namespace shmemd::peers {

class Channel {
 public:
  Channel() = default;
  explicit Channel(Fd socket) : socket_(std::move(socket)) {}

  int fd() const { return socket_.get(); }
  bool is_open() const { return static_cast<bool>(socket_); }
  // Why the channel was closed, for people.
  const std::string& close_reason() const { return close_reason_; }

  // The next whole message, or nothing yet, or nothing any more (then is_open() is false).
  std::optional<Message> TryReceive();

  // Sends `bytes` with `fds` on the first byte (the caller keeps them). A `piece_bytes` above 0 tears the
  // message: the receiver sees one piece a millisecond. False, and closed, when the peer is gone or has not
  // read for 5 s.
  bool Send(const Bytes& bytes, const std::vector<int>& fds = {}, size_t piece_bytes = 0);

  void Close(std::string reason);

 private:
  bool Fill(size_t wanted_bytes);
  std::optional<size_t> SendSome(const uint8_t* data, size_t size, const std::vector<int>& fds,
                                 std::chrono::steady_clock::time_point deadline);

  Fd socket_;
  Bytes received_;
  std::vector<Fd> fds_;
  std::string close_reason_;
};

}  // namespace shmemd::peers
