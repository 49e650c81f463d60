#include "server/relay/pump.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <iterator>

#include "server/base/clock.h"
#include "server/vhost/codec.h"
#include "server/vhost/framer.h"

namespace shmemd::relay {
namespace {

using net::IoResult;
using net::IoStatus;
using session::Verdict;
using vhost::kHeaderBytes;

// How long the kernel may be unable to give all descriptors before that is taken for final.
constexpr int64_t kMostLostNs = 10'000'000'000;

std::vector<int> Numbers(const std::vector<base::UniqueFd>& fds) {
  std::vector<int> numbers;
  numbers.reserve(fds.size());
  for (const base::UniqueFd& fd : fds) numbers.push_back(fd.get());
  return numbers;
}

}  // namespace

Pump::Pump(const Route& route, PumpObserver& observer, net::FdCloser& closer,
           const net::FdCloser::Tally& tally)
    : route_(route), observer_(observer), closer_(closer), tally_(tally), journal_(new Journal) {}

Pump::~Pump() { CloseDescriptors(); }

PumpState Pump::Advance() {
  if (ended()) return state_;
  int steps = 0;
  while (Step() == Next::kGoOn) {
    if (++steps < kStepsPerTurn) continue;
    Stop(PumpState::kMore);
    break;
  }
  return state_;
}

Pump::Next Pump::Step() {
  switch (journal_->step) {
    case Journal::Step::kIdle:
      return journal_->own_bytes > 0 ? SendOwnMessage() : LookAtQueue();
    case Journal::Step::kTaking:
      return Take();
    case Journal::Step::kReady:
      return JudgeMessage();
    case Journal::Step::kSending:
      return SendMessage();
    case Journal::Step::kConsuming:
      return Consume();
    case Journal::Step::kParts:
      return TakePart();
  }
  return Stop(PumpState::kWaiting);
}

bool Pump::SendOwn(std::span<const uint8_t> message) {
  if (!own_free() || message.size() > Journal::kOwnBytes) return false;
  std::copy(message.begin(), message.end(), journal_->own.begin());
  journal_->own_sent = 0;
  journal_->own_bytes = static_cast<uint32_t>(message.size());
  return true;
}

Pump::Next Pump::SendOwnMessage() {
  Journal& journal = *journal_;
  const auto rest = std::span<const uint8_t>(journal.own).first(journal.own_bytes).subspan(journal.own_sent);
  const IoResult result = net::Send(route_.sink, rest);
  if (result.status != IoStatus::kDone) return SinkFailed(result);
  journal.own_sent += static_cast<uint32_t>(result.bytes);
  if (journal.own_sent == journal.own_bytes) journal.own_bytes = journal.own_sent = 0;
  return Next::kGoOn;
}

// Finds the next message in what was already looked at, else in the queue.
Pump::Next Pump::LookAtQueue() {
  Journal& journal = *journal_;
  if (tally_.waiting() > kMaxSlowCloses) return Stop(PumpState::kRetry);
  const auto known = std::span<const uint8_t>(journal.buffer).first(journal.have).subspan(journal.begin);
  if (const vhost::Frame frame = vhost::PeekFrame(known); frame.whole) {
    journal.message_bytes = static_cast<uint32_t>(frame.message_bytes);
    journal.step = Journal::Step::kReady;
    return Next::kGoOn;
  }
  journal.begin = journal.have = 0;
  const IoResult result = net::Peek(route_.source, journal.buffer, fds_);
  if (result.status != IoStatus::kDone) return SourceFailed(result);
  if (result.fds_lost) {
    CloseDescriptors();
    const int64_t now_ns = base::MonotonicNanos();
    if (lost_since_ns_ == 0) lost_since_ns_ = now_ns;
    if (now_ns - lost_since_ns_ < kMostLostNs) return Stop(PumpState::kRetry);
    return SinkFailed({IoStatus::kError, 0, EMFILE});
  }
  lost_since_ns_ = 0;
  const vhost::Frame frame = vhost::PeekFrame(std::span<const uint8_t>(journal.buffer).first(result.bytes));
  // A peek that is full may have met those of the message behind.
  const bool descriptors_known =
      fds_.empty() || (result.bytes == frame.message_bytes && result.bytes < Journal::kBufferBytes);
  if (!frame.whole || !descriptors_known) {
    return BeginTaking(frame.message_bytes <= Journal::kBufferBytes
                           ? static_cast<uint32_t>(frame.message_bytes)
                           : Journal::kBufferBytes);
  }
  journal.have = static_cast<uint32_t>(result.bytes);
  journal.message_bytes = static_cast<uint32_t>(frame.message_bytes);
  journal.step = Journal::Step::kReady;
  return Next::kGoOn;
}

Pump::Next Pump::BeginTaking(uint32_t message_bytes) {
  CloseDescriptors();  // duplicates; the read brings those of the message
  journal_->have = 0;
  journal_->taken = true;
  journal_->step = Journal::Step::kTaking;
  take_bytes_ = message_bytes;
  return Next::kGoOn;
}

Pump::Next Pump::Take() {
  Journal& journal = *journal_;
  const auto space = std::span<uint8_t>(journal.buffer).first(take_bytes_).subspan(journal.have);
  const IoResult result = net::Receive(route_.source, space, fds_);
  if (result.status != IoStatus::kDone) return SourceFailed(result);
  if (result.fds_lost) return SinkFailed({IoStatus::kError, 0, EMFILE});
  CloseSurplusDescriptors();
  journal.have += static_cast<uint32_t>(result.bytes);
  const vhost::Frame frame = vhost::PeekFrame(std::span<const uint8_t>(journal.buffer).first(journal.have));
  if (journal.have < take_bytes_) return Next::kGoOn;
  if (!frame.whole && frame.message_bytes <= Journal::kBufferBytes) {
    take_bytes_ = static_cast<uint32_t>(frame.message_bytes);
    return Next::kGoOn;
  }
  journal.message_bytes = journal.have;
  journal.parts_left = frame.message_bytes - journal.have;
  journal.step = Journal::Step::kReady;
  return Next::kGoOn;
}

session::PassingMessage Pump::Message() const {
  const Journal& journal = *journal_;
  const auto bytes = std::span<const uint8_t>(journal.buffer).subspan(journal.begin, journal.message_bytes);
  session::PassingMessage message;
  message.channel = route_.channel;
  message.sender = route_.sender;
  message.header = parts_header_;
  message.fd_count = fd_count_;
  message.now_ns = seen_ns_;
  message.cut = uint64_t{parts_header_.size} + kHeaderBytes > Journal::kBufferBytes;
  if (!message.cut) message.payload = bytes.subspan(kHeaderBytes);
  return message;
}

std::span<uint8_t> Pump::MessageBytes() {
  return std::span<uint8_t>(journal_->buffer).subspan(journal_->begin, journal_->message_bytes);
}

Pump::Next Pump::JudgeMessage() {
  Journal& journal = *journal_;
  if (seen_ns_ == 0) {
    seen_ns_ = base::MonotonicNanos();
    fd_count_ = fds_.size();
    std::memcpy(&parts_header_, MessageBytes().data(), sizeof(parts_header_));
  }
  journal.verdict = observer_.Judge(Message(), fds_);
  if (journal.verdict == Verdict::kHold) return Stop(PumpState::kHeld);
  journal.sent = 0;
  journal.descriptors_sent = false;
  journal.step = Journal::Step::kSending;
  return Next::kGoOn;
}

bool Pump::RoomForDescriptors() {
  if (fds_.empty() || fds_in_flight_ + fds_.size() <= kMaxFdsInFlight) return true;
  if (!net::AllRead(route_.sink)) return false;
  fds_in_flight_ = 0;
  return true;
}

Pump::Next Pump::SendMessage() {
  Journal& journal = *journal_;
  const bool forwards = journal.verdict == Verdict::kForward || journal.verdict == Verdict::kSwapBackendFd;
  if (!forwards) return FinishMessage();
  const std::span<const uint8_t> rest = MessageBytes().subspan(journal.sent);
  IoResult result;
  if (journal.descriptors_sent || fds_.empty()) {
    result = net::Send(route_.sink, rest);
  } else {
    if (!RoomForDescriptors()) return Stop(PumpState::kBlocked);
    result = net::Send(route_.sink, rest, Numbers(fds_));
  }
  if (result.status != IoStatus::kDone) return SinkFailed(result);
  if (!journal.descriptors_sent) fds_in_flight_ += fds_.size();
  journal.descriptors_sent = true;
  journal.sent += static_cast<uint32_t>(result.bytes);
  return journal.sent < journal.message_bytes ? Next::kGoOn : FinishMessage();
}

// The bytes at hand were handed on, or were to be dropped.
Pump::Next Pump::FinishMessage() {
  Journal& journal = *journal_;
  if (torn_) {
    CloseDescriptors();
    return Stop(PumpState::kEnded);
  }
  traffic_.bytes += journal.message_bytes;
  if (journal.parts_left > 0) {
    CloseDescriptors();
    journal.step = Journal::Step::kParts;
    return Next::kGoOn;
  }
  ++traffic_.messages;
  traffic_.fds += fd_count_;
  durations_.Observe(base::MonotonicNanos() - seen_ns_);
  observer_.Passed(Message(), journal.verdict, fds_);
  journal.consumed = 0;
  journal.step = Journal::Step::kConsuming;
  return Next::kGoOn;
}

Pump::Next Pump::TakePart() {
  Journal& journal = *journal_;
  const size_t most = std::min<uint64_t>(journal.parts_left, Journal::kBufferBytes);
  const IoResult result = net::Receive(route_.source, std::span<uint8_t>(journal.buffer).first(most), fds_);
  if (result.status != IoStatus::kDone) return SourceFailed(result);
  if (result.fds_lost) return SinkFailed({IoStatus::kError, 0, EMFILE});
  fd_count_ += fds_.size();
  journal.have = journal.message_bytes = static_cast<uint32_t>(result.bytes);
  journal.parts_left -= result.bytes;
  journal.sent = 0;
  journal.descriptors_sent = false;
  journal.step = Journal::Step::kSending;
  return Next::kGoOn;
}

Pump::Next Pump::Consume() {
  Journal& journal = *journal_;
  while (!journal.taken && journal.consumed < journal.message_bytes) {
    std::array<uint8_t, Journal::kBufferBytes> ignored;
    const IoResult result =
        net::Discard(route_.source, std::span(ignored).first(journal.message_bytes - journal.consumed));
    if (result.status != IoStatus::kDone) return SourceFailed(result);
    journal.consumed += static_cast<uint32_t>(result.bytes);
  }
  Finish();
  return Next::kGoOn;
}

void Pump::Finish() {
  Journal& journal = *journal_;
  CloseDescriptors();
  journal.begin += journal.message_bytes;
  if (journal.taken || journal.begin >= journal.have) journal.begin = journal.have = 0;
  journal.taken = false;
  journal.message_bytes = 0;
  journal.step = Journal::Step::kIdle;
  fd_count_ = 0;
  seen_ns_ = 0;
}

// Several sends may have made this message, each with as many as the kernel carries; we have one send.
void Pump::CloseSurplusDescriptors() {
  if (fds_.size() <= net::kMaxFdsPerMessage) return;
  std::vector<base::UniqueFd> surplus;
  std::move(fds_.begin() + net::kMaxFdsPerMessage, fds_.end(), std::back_inserter(surplus));
  fds_.resize(net::kMaxFdsPerMessage);
  closer_.Close(surplus, tally_);
}

void Pump::CloseDescriptors() {
  if (!fds_.empty()) closer_.Close(fds_, tally_);
}

Pump::Next Pump::Stop(PumpState state) {
  state_ = state;
  return Next::kStop;
}

// The end of the source. What came of a message that never became whole is handed on all the same: the peer
// sees the same torn bytes as without us.
Pump::Next Pump::SourceFailed(const IoResult& result) {
  if (result.status == IoStatus::kWouldBlock)
    return Stop(result.error_number == EAGAIN ? PumpState::kWaiting : PumpState::kRetry);
  Journal& journal = *journal_;
  error_number_ = result.error_number;
  torn_ = journal.step != Journal::Step::kIdle;
  if (journal.step != Journal::Step::kTaking || journal.have == 0) return Stop(PumpState::kEnded);
  journal.message_bytes = journal.have;
  journal.verdict = Verdict::kForward;
  journal.sent = 0;
  journal.descriptors_sent = false;
  journal.step = Journal::Step::kSending;
  return Next::kGoOn;
}

Pump::Next Pump::SinkFailed(const IoResult& result) {
  if (result.status == IoStatus::kWouldBlock) {
    const bool edge_will_tell = result.error_number == EAGAIN;
    return Stop(edge_will_tell ? PumpState::kBlocked : PumpState::kRetry);
  }
  error_number_ = result.error_number;
  CloseDescriptors();
  return Stop(PumpState::kBroken);
}

}  // namespace shmemd::relay
