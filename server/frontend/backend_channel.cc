#include "server/frontend/backend_channel.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include "server/base/clock.h"
#include "server/net/fd_facts.h"
#include "server/session/map_message.h"
#include "server/vhost/codec.h"
#include "server/vhost/message_table.h"

namespace shmemd::frontend {
namespace {

using state::Cause;
using state::EvidenceKey;
using state::FindingCode;
using state::RequestFailure;
using vhost::BackendRequest;

// So that one back-end that never stops asking leaves room for the others.
constexpr int kMessagesPerTurn = 16;
constexpr int64_t kRetryNs = 20'000'000;

RequestFailure CheckFds(size_t fd_count) {
  if (fd_count == 0) return RequestFailure::kNoFd;
  return fd_count == 1 ? RequestFailure::kNone : RequestFailure::kExtraFds;
}

}  // namespace

int AnswerErrno(RequestFailure failure) {
  switch (failure) {
    case RequestFailure::kNone:
      return 0;
    case RequestFailure::kOverlap:
      return EEXIST;
    case RequestFailure::kMappingLimit:
    case RequestFailure::kWindowTooLarge:
    case RequestFailure::kNoResources:
      return ENOMEM;
    default:
      return EINVAL;
  }
}

bool WantsAnswer(const vhost::Header& header, bool reply_ack) {
  const vhost::MessageInfo* info = vhost::FindMessage(vhost::Channel::kBackend, header.request);
  const bool always = info != nullptr && info->reply_kind == vhost::ReplyKind::kAlwaysAck;
  return !header.is_reply() && (always || (reply_ack && header.needs_reply()));
}

BackendChannel::BackendChannel(net::EventLoop& loop, net::FdCloser& closer, base::UniqueFd socket,
                               feed::Publisher& publisher, state::BackendHandle backend,
                               BackendWindows& windows, Observer& observer)
    : loop_(loop),
      channel_(std::move(socket), vhost::kMaxPayloadBytes, closer),
      publisher_(publisher),
      backend_(backend),
      windows_(windows),
      observer_(observer) {}

BackendChannel::~BackendChannel() {
  loop_.Unwatch(watch_);
  if (retry_timer_) loop_.Cancel(*retry_timer_);
}

void BackendChannel::Start(bool reply_ack) {
  reply_ack_ = reply_ack;
  absl::StatusOr<net::EventLoop::WatchId> watch = loop_.Watch(channel_.fd(), [this] { OnSocketReady(); });
  if (!watch.ok()) return End({.reason = state::StateReason::kSystemError, .error_number = ENOSPC});
  watch_ = *watch;
}

void BackendChannel::NoteIdle() {
  if (!map_seen_) Raise(FindingCode::kDeviceNotStarted, {});
}

void BackendChannel::OnSocketReady() {
  for (int i = 0; i < kMessagesPerTurn; ++i) {
    // Whoever does not take its answers is not asked for more.
    if (ended_ || !FlushOutput()) return;
    MessageChannel::Received received = channel_.Receive();
    if (received.status == MessageChannel::Status::kWouldBlock) return;
    if (received.status == MessageChannel::Status::kBusy) return RetryAfter(kRetryNs);
    if (received.status == MessageChannel::Status::kEnded) return End(received.cause);
    OnMessage(received);
    channel_.CloseFds(received.fds);
  }
  RetryAfter(0);
}

bool BackendChannel::FlushOutput() {
  if (!channel_.has_output()) return true;
  const net::IoResult io = channel_.Flush();
  if (io.status == net::IoStatus::kDone) return true;
  if (io.status == net::IoStatus::kWouldBlock) {
    // A full socket tells when it has room; a kernel that is short of something else does not.
    if (io.error_number != EAGAIN) RetryAfter(kRetryNs);
  } else {
    End({.reason = io.status == net::IoStatus::kClosed ? state::StateReason::kClosedByBackend
                                                       : state::StateReason::kSystemError,
         .error_number = io.error_number});
  }
  return false;
}

void BackendChannel::RetryAfter(int64_t delay_ns) {
  if (retry_timer_) return;
  retry_timer_ = loop_.After(delay_ns, [this] {
    retry_timer_.reset();
    OnSocketReady();
  });
}

void BackendChannel::OnMessage(MessageChannel::Received& received) {
  const vhost::Header& header = received.message.header;
  NoteHeader(header);
  if (header.is_reply()) return;  // we never asked anything here
  switch (static_cast<BackendRequest>(header.request)) {
    case BackendRequest::kShmemMap:
      return OnMap(received);
    case BackendRequest::kShmemUnmap:
      return OnUnmap(received);
    case BackendRequest::kConfigChangeMsg:
      return Answer(header, vhost::kAckOk);  // a notice; we keep no copy of the device's configuration
    default:
      return OnUnknown(received);
  }
}

// Peers are lenient about flags (QEMU looks at NEED_REPLY alone), and so are we.
void BackendChannel::NoteHeader(const vhost::Header& header) {
  const uint32_t expected = vhost::kRequestFlags | (header.flags & vhost::kNeedReplyFlag);
  if (header.flags == expected) return;
  Raise(FindingCode::kHeaderOdd, {{{EvidenceKey::kMessageId, header.request},
                                   {EvidenceKey::kExpected, expected},
                                   {EvidenceKey::kGot, header.flags}}});
}

void BackendChannel::OnMap(const MessageChannel::Received& received) {
  const int64_t start_ns = base::MonotonicNanos();
  const base::FdFacts facts =
      received.fds.empty() ? base::FdFacts{} : net::ReadFdFacts(received.fds[0].get());
  const absl::StatusOr<state::MapRequest> request =
      session::ReadMap(received.message, facts, received.fds.size(), reply_ack_);
  if (!request.ok()) return OnMalformed(received.message.header, received.message.payload.size());
  map_seen_ = true;
  Publish(state::MapRequested{*request});

  const state::Backend& model = *publisher_.Find(backend_);
  BackendWindows::Result result{CheckFds(received.fds.size())};
  if (result.failure == RequestFailure::kNone) result.failure = model.CheckMap(*request);
  if (result.failure == RequestFailure::kNone) {
    const uint64_t size_bytes = model.FindRegion(request->shmid)->status.size_bytes;
    result = windows_.Map(*request, size_bytes, received.fds[0].get());
  } else {
    result.error_number = AnswerErrno(result.failure);
  }
  Answer(received.message.header,
         result.error_number == 0 ? vhost::kAckOk : vhost::AckErrno(result.error_number));
  const int64_t latency_ns = request->need_reply ? base::MonotonicNanos() - start_ns : -1;
  Publish(state::MapSettled{*request, latency_ns, result.error_number, result.failure});
}

void BackendChannel::OnUnmap(const MessageChannel::Received& received) {
  const int64_t start_ns = base::MonotonicNanos();
  const absl::StatusOr<state::UnmapRequest> request =
      session::ReadUnmap(received.message, received.fds.size(), reply_ack_);
  if (!request.ok()) return OnMalformed(received.message.header, received.message.payload.size());
  Publish(state::UnmapRequested{*request});

  BackendWindows::Result result{publisher_.Find(backend_)->CheckUnmap(*request)};
  if (result.failure == RequestFailure::kNone) {
    result = windows_.Unmap(*request);
  } else {
    result.error_number = AnswerErrno(result.failure);
  }
  Answer(received.message.header,
         result.error_number == 0 ? vhost::kAckOk : vhost::AckErrno(result.error_number));
  const int64_t latency_ns = request->need_reply ? base::MonotonicNanos() - start_ns : -1;
  Publish(state::UnmapSettled{*request, latency_ns, result.error_number, result.failure});
}

void BackendChannel::OnMalformed(const vhost::Header& header, size_t payload_bytes) {
  Raise(FindingCode::kMapMalformed, {{{EvidenceKey::kMessageId, header.request},
                                      {EvidenceKey::kExpected, sizeof(vhost::MMapPayload)},
                                      {EvidenceKey::kGot, payload_bytes}}});
  Answer(header, vhost::AckErrno(EINVAL));
}

void BackendChannel::OnUnknown(const MessageChannel::Received& received) {
  const vhost::Header& header = received.message.header;
  Raise(FindingCode::kMessageUnknown,
        {{{EvidenceKey::kMessageId, header.request}, {EvidenceKey::kFdCount, received.fds.size()}}});
  Answer(header, vhost::AckErrno(EINVAL));
}

void BackendChannel::Answer(const vhost::Header& header, uint64_t value) {
  if (!WantsAnswer(header, reply_ack_)) return;
  channel_.Send(vhost::EncodeAck(static_cast<BackendRequest>(header.request), value));
}

void BackendChannel::Raise(FindingCode code, const state::EvidenceList& evidence) {
  Publish(state::FindingRaised{code, state::kWholeBackend, evidence});
}

void BackendChannel::End(const Cause& cause) {
  if (std::exchange(ended_, true)) return;
  loop_.Unwatch(std::exchange(watch_, net::EventLoop::kNoWatch));
  if (retry_timer_) loop_.Cancel(*std::exchange(retry_timer_, std::nullopt));
  Cause told = cause;
  told.on_backend_channel = true;
  retry_timer_ = loop_.After(0, [this, told] {
    retry_timer_.reset();
    observer_.OnChannelEnded(told);
  });
}

}  // namespace shmemd::frontend
