#include "tests/peers/main_channel.h"

#include <poll.h>

#include <algorithm>
#include <array>

#include "tests/peers/units.h"

namespace shmemd::peers {
namespace {

std::string Name(uint32_t request) { return "request " + std::to_string(request); }

}  // namespace

bool MainChannel::Tell(uint32_t request, const Bytes& payload, const std::vector<int>& fds) {
  return channel_.Send(EncodeMessage(request, kVersion, payload), fds);
}

std::optional<Message> MainChannel::Ask(uint32_t request, const Bytes& payload) {
  if (!Tell(request, payload)) return std::nullopt;
  return Await(request);
}

std::optional<uint64_t> MainChannel::AskU64(uint32_t request) {
  const auto reply = Ask(request);
  if (!reply) return std::nullopt;
  if (reply->payload.size() == sizeof(uint64_t)) return Get<uint64_t>(reply->payload, 0);
  transcript_->AddUnexpected(Name(request) + " was answered with " + std::to_string(reply->payload.size()) +
                             " bytes, expected 8");
  return std::nullopt;
}

bool MainChannel::Request(uint32_t request, const Bytes& payload, const std::vector<int>& fds) {
  if (!has_reply_ack_) return Tell(request, payload, fds);
  if (!channel_.Send(EncodeMessage(request, kVersion | kNeedReplyFlag, payload), fds)) return false;
  const auto ack = Await(request);
  if (!ack) return false;
  const auto value = Get<uint64_t>(ack->payload, 0);
  if (ack->payload.size() == sizeof(uint64_t) && value == 0) return true;
  transcript_->AddUnexpected(Name(request) + " was refused with " + Hex(value));
  return false;
}

std::optional<Message> MainChannel::Await(uint32_t request) {
  using Clock = std::chrono::steady_clock;
  const auto deadline = Clock::now() + timeout_;
  while (channel_.is_open()) {
    if (auto reply = channel_.TryReceive()) {
      if (reply->request == request && reply->flags == kReplyFlags) return reply;
      transcript_->AddUnexpected(Name(request) + " was answered with id " + std::to_string(reply->request) +
                                 " and flags " + Hex(reply->flags));
      return std::nullopt;
    }
    const auto rest = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now());
    std::array<pollfd, 2> waits = {{{channel_.fd(), POLLIN, 0}, {stop_fd_, POLLIN, 0}}};
    if (!channel_.is_open() || waits[0].fd < 0) break;
    if (rest.count() <= 0 || ::poll(waits.data(), waits.size(), static_cast<int>(rest.count())) == 0) {
      transcript_->AddUnexpected(Name(request) + " was not answered");
      return std::nullopt;
    }
    if (waits[1].revents != 0) return std::nullopt;
  }
  return std::nullopt;
}

bool MainChannel::DropStray() {
  const auto stray = channel_.TryReceive();
  if (!stray) return false;
  transcript_->AddUnexpected("reply id " + std::to_string(stray->request) + " to no request");
  return true;
}

}  // namespace shmemd::peers
