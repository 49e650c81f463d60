// A stream cut by MessageReader in small pieces, and by PeekFrame as a whole: both must find the same
// messages and refuse at the same place. The first byte of the input chooses the pieces.
#include <algorithm>
#include <cstring>
#include <span>
#include <vector>

#include "server/vhost/framer.h"
#include "tests/fuzz/fuzz.h"

namespace shmemd::fuzz {
namespace {

using vhost::Header;
using vhost::MessageView;

constexpr uint32_t kLimitBytes = vhost::kMaxPayloadBytes;

struct Message {
  Header header;
  std::vector<uint8_t> payload;
  bool operator==(const Message&) const = default;
};

struct Outcome {
  std::vector<Message> messages;
  bool refused = false;
  bool at_boundary = true;
  bool operator==(const Outcome&) const = default;
};

Outcome CutWhole(std::span<const uint8_t> rest) {
  Outcome outcome;
  while (true) {
    const vhost::Frame frame = vhost::PeekFrame(rest);
    outcome.refused = frame.message_bytes > vhost::kHeaderBytes + kLimitBytes;
    outcome.at_boundary = rest.empty();
    if (outcome.refused || !frame.whole) return outcome;
    Message message;
    std::memcpy(&message.header, rest.data(), sizeof(Header));
    const auto payload = rest.subspan(vhost::kHeaderBytes, message.header.size);
    message.payload.assign(payload.begin(), payload.end());
    outcome.messages.push_back(std::move(message));
    rest = rest.subspan(frame.message_bytes);
  }
}

Outcome ReadInPieces(std::span<const uint8_t> rest, uint32_t seed) {
  Outcome outcome;
  vhost::MessageReader reader(kLimitBytes);
  while (!rest.empty() && !outcome.refused) {
    seed = seed * 1664525 + 1013904223;
    const std::span<uint8_t> space = reader.space();
    Require(!space.empty() && space.size() <= kLimitBytes, "there is space to read into, within the limit");
    const size_t n = std::min({size_t{1} + (seed >> 28), space.size(), rest.size()});
    std::copy_n(rest.begin(), n, space.begin());
    rest = rest.subspan(n);
    const auto advanced = reader.Advance(n);
    outcome.refused = !advanced.ok();
    if (outcome.refused || !advanced->has_value()) continue;
    const MessageView& view = **advanced;
    Require(view.payload.size() == view.header.size, "a payload is as long as its header says");
    outcome.messages.push_back({view.header, {view.payload.begin(), view.payload.end()}});
  }
  outcome.at_boundary = reader.at_boundary();
  Require(reader.space().empty() == outcome.refused, "nothing is read after a refusal");
  return outcome;
}

}  // namespace
}  // namespace shmemd::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::span<const uint8_t> stream(data + 1, size - 1);
  shmemd::fuzz::Require(shmemd::fuzz::CutWhole(stream) == shmemd::fuzz::ReadInPieces(stream, data[0]),
                        "both ways of framing agree");
  return 0;
}
