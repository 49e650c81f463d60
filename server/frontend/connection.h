// One connection to a back-end as its front-end: connects, runs the handshake, asks GET_SHMEM_CONFIG again
// when told.
//
// Owned by a session or a probe, used on the loop's thread. Each wait has a deadline. Whatever goes wrong
// ends the connection with its exact cause; nothing is tried again here.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "server/frontend/frontend_config.h"
#include "server/frontend/handshake.h"
#include "server/frontend/message_channel.h"
#include "server/net/event_loop.h"
#include "server/net/unix_socket.h"

namespace shmemd::frontend {

class Connection {
 public:
  // Calls come from the loop. They may call Ask and Close; only OnEnded may destroy the connection.
  class Observer {
   public:
    virtual ~Observer() = default;
    virtual void OnConnected(const net::PeerCredentials& peer) = 0;
    virtual void OnFeatures(const state::Features& features) = 0;
    // Our end of the channel that the back-end was given; it is not served yet.
    virtual void OnBackendChannel(base::UniqueFd channel) = 0;
    // The back-end does not speak SHMEM; the connection stays open, silent.
    virtual void OnUnsupported(const state::Cause& cause) = 0;
    // GET_SHMEM_CONFIG was answered, for the first time or after Ask.
    virtual void OnAnswer(const vhost::ShmemConfigReply& reply, int64_t duration_ns) = 0;
    // The last call. `query_duration_ns` is -1 unless GET_SHMEM_CONFIG was under way.
    virtual void OnEnded(const state::Cause& cause, int64_t query_duration_ns) = 0;
  };

  // `loop`, `closer` and `observer` outlive the connection.
  Connection(net::EventLoop& loop, net::FdCloser& closer, std::string path, const Timeouts& timeouts,
             Observer& observer);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // Once. Every outcome, an immediate failure too, is told in a later turn.
  void Open();
  // GET_SHMEM_CONFIG once more. False unless it was answered before and none is under way.
  bool Ask();
  // Ends it now; OnEnded is not called.
  void Close();

  // GET_SHMEM_CONFIG was answered, and the connection stands.
  bool ready() const { return ready_; }
  bool asking() const { return asked_at_ns_ >= 0; }
  // The request whose reply is awaited, or was when the connection ended; 0: none.
  uint32_t awaited_id() const { return awaited_id_; }

 private:
  void TryConnect();
  void OnSocketReady();
  bool ReadOne();
  void RunScript();
  bool SendAction(Handshake::Action action);
  void OnMessage(const vhost::MessageView& message, size_t fd_count);
  void OnRepeatedAnswer(const vhost::MessageView& message, size_t fd_count);
  void Finish();
  void Flush();
  void RetryAfter(int64_t delay_ns);
  void Await(uint32_t message_id);
  void Awaited();
  void End(const state::Cause& cause);

  net::EventLoop& loop_;
  net::FdCloser& closer_;
  const std::string path_;
  const Timeouts timeouts_;
  Observer& observer_;
  std::optional<MessageChannel> channel_;
  net::EventLoop::WatchId watch_ = net::EventLoop::kNoWatch;
  std::optional<net::EventLoop::TimerId> deadline_timer_;
  std::optional<net::EventLoop::TimerId> retry_timer_;
  Handshake handshake_;
  bool features_told_ = false;
  bool ready_ = false;
  uint32_t awaited_id_ = 0;  // 0: nothing is awaited
  int64_t asked_at_ns_ = -1;
  int64_t connect_deadline_ns_ = 0;
};

}  // namespace shmemd::frontend
