// One front-end and one back-end, from the first byte to the last: the main channel, the back-end channels
// that were handed over on it, and the tracker that reads along.
//
// Owned by a relay entry, used on the relay loop's thread.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "server/net/event_loop.h"
#include "server/net/fd_closer.h"
#include "server/relay/backend_fd_swap.h"
#include "server/relay/channel.h"
#include "server/session/session_tracker.h"
#include "server/state/event_sink.h"

namespace shmemd::relay {

class RelaySession {
 public:
  class Observer {
   public:
    virtual ~Observer() = default;
    // `first` closed its main channel before the other did.
    virtual void OnPeerEnded(session::Sender first, bool torn) = 0;
    // Something may have passed.
    virtual void OnActivity() = 0;
    // Everything is closed. The session may be destroyed, but not from within.
    virtual void OnSessionOver() = 0;
  };

  // What it refers to outlives the session.
  struct Context {
    net::EventLoop& loop;
    net::FdCloser& closer;
    state::EventSink& sink;
    Observer& observer;
    net::FdCloser::Tally tally = {};  // of the sessions before, whose descriptors may wait still
  };

  // Both sockets are connected streams. Nothing happens before Start.
  RelaySession(const Context& context, const session::TrackerOptions& options, base::UniqueFd frontend,
               base::UniqueFd backend);
  ~RelaySession();
  RelaySession(const RelaySession&) = delete;
  RelaySession& operator=(const RelaySession&) = delete;

  absl::Status Start();
  // Closes everything; the observer is not called.
  void Close();

  // Somebody waits for this session to be over: once its main channel is, nobody has more than a few seconds
  // to read what is left on the back-end channels.
  void Hurry();

  // query: inject. Asks GET_SHMEM_CONFIG once more as soon as that may be done.
  void AskAgain();

  // Of all channels so far.
  state::Traffic traffic() const;
  state::DurationHistogram durations() const;
  const session::SessionTracker& tracker() const { return tracker_; }

 private:
  class Line;
  // Beyond so many the oldest is closed: a front-end needs one, and replaces it rarely.
  static constexpr size_t kMaxBackendChannels = 4;
  // In one session; later ones go past us. Each one that is dropped unread keeps the descriptors in its
  // queues under way, and the kernel grants a user only so many.
  static constexpr int kMostBackendChannels = 64;

  session::Verdict Judge(const Line& line, const session::PassingMessage& message,
                         std::vector<base::UniqueFd>& fds);
  void Passed(Line& line, const session::PassingMessage& message, session::Verdict verdict,
              const std::vector<base::UniqueFd>& fds);
  void BeginBackendChannel();
  void EndMain(session::Sender sender, const Channel::Observer::End& end);
  void OnLineFinished(Line& line);
  void OnAdvanced();
  void Reap();
  void Finish();
  bool LastWordsWait() const;
  void Ask();
  void ArmDeadline();
  void ArmLinger();
  void Cancel(std::optional<net::EventLoop::TimerId>& timer);
  void Retire(const Line& line);

  const Context context_;
  session::SessionTracker tracker_;
  std::unique_ptr<Line> main_;
  std::vector<std::unique_ptr<Line>> backend_lines_;  // the last one is the current one
  std::optional<BackendChannelEnds> swapped_;         // SET_BACKEND_REQ_FD is on its way with them
  state::Traffic retired_traffic_{};                  // of channels that are gone
  state::DurationHistogram retired_durations_;
  std::optional<net::EventLoop::TimerId> deadline_timer_;
  std::optional<net::EventLoop::TimerId> linger_timer_;
  std::optional<net::EventLoop::TimerId> reap_timer_;
  int64_t armed_deadline_ns_ = INT64_MAX;
  bool peer_ended_ = false;
  bool frontend_ended_first_ = false;
  bool hurried_ = false;
  int channels_begun_ = 0;
  bool main_over_ = false;
  bool over_ = false;
};

}  // namespace shmemd::relay
