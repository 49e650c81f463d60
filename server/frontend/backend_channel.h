// Our end of the back-end channel: answers SHMEM_MAP and SHMEM_UNMAP as the front-end that we are.
//
// Owned by a session, used on the loop's thread. Each request is decoded, checked, carried out, answered if
// an answer was asked for and REPLY_ACK is agreed on, then published. A request that is refused changes
// nothing; one that we do not know is answered -EINVAL and the channel goes on. All descriptors that come are
// closed on every path.
#pragma once

#include <cstdint>
#include <optional>

#include "server/feed/publisher.h"
#include "server/frontend/backend_windows.h"
#include "server/frontend/message_channel.h"
#include "server/net/event_loop.h"

namespace shmemd::frontend {

// The errno that a failed request is answered with, positive: EEXIST for an overlap, ENOMEM for a limit or a
// lack of resources, EINVAL for all else. Where mmap itself failed, its errno is answered.
int AnswerErrno(state::RequestFailure failure);

// Whether the back-end waits for an answer. `reply_ack`: REPLY_ACK is agreed on.
bool WantsAnswer(const vhost::Header& header, bool reply_ack);

class BackendChannel {
 public:
  class Observer {
   public:
    virtual ~Observer() = default;
    // Called in a turn of its own; may destroy the channel.
    virtual void OnChannelEnded(const state::Cause& cause) = 0;
  };

  // Everything outlives the channel. `socket` is our end, non-blocking.
  BackendChannel(net::EventLoop& loop, net::FdCloser& closer, base::UniqueFd socket,
                 feed::Publisher& publisher, state::BackendHandle backend, BackendWindows& windows,
                 Observer& observer);
  ~BackendChannel();
  BackendChannel(const BackendChannel&) = delete;
  BackendChannel& operator=(const BackendChannel&) = delete;

  // Reads what waits, and from here on what comes.
  void Start(bool reply_ack);
  // Raises DEVICE_NOT_STARTED if no SHMEM_MAP came so far. The model closes it with the first mapping.
  void NoteIdle();

 private:
  void OnSocketReady();
  bool FlushOutput();
  void OnMessage(MessageChannel::Received& received);
  void OnMap(const MessageChannel::Received& received);
  void OnUnmap(const MessageChannel::Received& received);
  void OnUnknown(const MessageChannel::Received& received);
  void OnMalformed(const vhost::Header& header, size_t payload_bytes);
  void NoteHeader(const vhost::Header& header);
  void Answer(const vhost::Header& header, uint64_t value);
  void Raise(state::FindingCode code, const state::EvidenceList& evidence);
  void Publish(const state::EventBody& body) { publisher_.Publish(backend_, body); }
  void RetryAfter(int64_t delay_ns);
  void End(const state::Cause& cause);

  net::EventLoop& loop_;
  MessageChannel channel_;
  feed::Publisher& publisher_;
  const state::BackendHandle backend_;
  BackendWindows& windows_;
  Observer& observer_;
  bool reply_ack_ = false;
  bool ended_ = false;
  bool map_seen_ = false;
  net::EventLoop::WatchId watch_ = net::EventLoop::kNoWatch;
  std::optional<net::EventLoop::TimerId> retry_timer_;
};

}  // namespace shmemd::frontend
