// The back-end's side of the main channel, as bytes: the handshake ends or waits, whatever comes, and never
// asks for what was not offered. A first byte says with how many descriptors the replies come.
#include <algorithm>
#include <cstring>

#include "server/frontend/handshake.h"
#include "tests/fuzz/fuzz.h"

namespace {

using shmemd::frontend::Handshake;
using shmemd::fuzz::Require;

// Sends until a reply is awaited. False at the end.
bool RunToReply(Handshake& handshake) {
  for (int sent = 0; sent < 16; ++sent) {
    const Handshake::Action action = handshake.Advance();
    if (action.step == Handshake::Step::kAwait) return true;
    if (action.step == Handshake::Step::kDone) return false;
    const bool asks = action.message_id == Id(shmemd::vhost::FrontendRequest::kGetShmemConfig);
    const bool offered =
        Has(handshake.outcome().features.offered_protocol, shmemd::vhost::ProtocolFeature::kShmem);
    Require(!asks || offered, "GET_SHMEM_CONFIG is sent only where SHMEM was offered");
  }
  Require(false, "the script comes to an end");
  return false;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const size_t fd_count = data[0] % 3 == 2 ? 1 : 0;
  const uint8_t* next = data + 1;
  size_t left = size - 1;
  Handshake handshake;
  shmemd::vhost::MessageReader reader(shmemd::vhost::kMaxPayloadBytes);
  bool awaiting = RunToReply(handshake);
  while (awaiting && left > 0) {
    const std::span<uint8_t> space = reader.space();
    const size_t part = std::min(space.size(), left);
    std::memcpy(space.data(), next, part);
    next += part;
    left -= part;
    const auto message = reader.Advance(part);
    if (!message.ok()) break;
    if (!message->has_value()) continue;
    handshake.OnReply(**message, fd_count);
    awaiting = RunToReply(handshake);
  }
  const uint64_t acked = handshake.outcome().features.acked_protocol;
  Require((acked & ~handshake.outcome().features.offered_protocol) == 0,
          "only what was offered is acknowledged");
  Require(awaiting == (handshake.outcome().result == Handshake::Result::kPending),
          "it waits or it has ended");
  return 0;
}
