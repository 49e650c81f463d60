// What a demo back-end answers on the main channel: a message in, a response out, no sockets. One per
// connection, used by its session's thread. It keeps what was negotiated.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "tests/peers/channel.h"
#include "tests/peers/device_watch.h"
#include "tests/peers/script.h"
#include "tests/peers/transcript.h"
#include "tests/peers/wire.h"

namespace shmemd::peers {

struct Response {
  Bytes bytes;          // empty: nothing is answered
  size_t fd_count = 0;  // descriptors that go along
  size_t piece_bytes = 0;
  std::chrono::milliseconds delay{0};
  std::string close_reason;  // not empty: the connection ends after the answer
};

class Responder {
 public:
  // Both outlive the responder.
  Responder(const Script* script, Transcript* transcript) : script_(script), transcript_(transcript) {}

  // Closes the message's descriptors, but for that of SET_BACKEND_REQ_FD: see TakeBackendChannel.
  Response Answer(Message message);

  // The descriptor of a SET_BACKEND_REQ_FD since the last call; not open when there was none.
  Fd TakeBackendChannel() { return std::exchange(backend_channel_, Fd()); }

  bool has_reply_ack() const { return (protocol_features_ & FeatureMask(kFeatureReplyAck)) != 0; }
  bool has_answered_config() const { return config_count_ > 0; }
  DeviceWatch& device() { return device_; }
  const DeviceWatch& device() const { return device_; }

 private:
  Response AnswerConfig(const Message& message);
  Response Acknowledge(const Message& message, uint64_t value) const;
  bool HasOwnReply(const Message& message, Bytes& payload) const;
  void Note(Message& message);
  bool IsShmemAcknowledged() const;

  const Script* script_;
  Transcript* transcript_;
  Fd backend_channel_;
  uint64_t protocol_features_ = 0;
  uint64_t status_ = 0;
  size_t config_count_ = 0;
  size_t owner_count_ = 0;
  DeviceWatch device_;
};

}  // namespace shmemd::peers
