// A channel that is relayed: the socket to the front-end, the socket to the back-end, a pump each way.
//
// Owned by a relay session, used on its thread. An end is passed on as it came, after everything that was
// queued before it: half a close as half a close. When one peer has closed altogether and all of its bytes
// are handed on, the other socket is closed too; it is emptied first, since closing a socket with unread
// bytes shows the peer ECONNRESET instead of an end (Linux, unix(7) sockets).
#pragma once

#include <array>
#include <optional>

#include "server/base/unique_fd.h"
#include "server/net/event_loop.h"
#include "server/relay/pump.h"

namespace shmemd::relay {

class Channel {
 public:
  class Observer : public PumpObserver {
   public:
    struct End {
      bool torn = false;   // in the middle of a message
      bool stuck = false;  // its last bytes wait for the other side to read
    };
    // `sender` sends nothing more: it closed its side or all of its socket. Once for each.
    virtual void OnSenderEnded(session::Sender sender, const End& end) = 0;
    // After whatever happened on this channel; everything that could be moved has been.
    virtual void OnAdvanced() = 0;
    // Both directions are over and the sockets are closed. Called once, never from within Close.
    virtual void OnFinished() = 0;
  };

  // `loop`, `closer`, `tally` and `observer` outlive the channel. Start may call the observer.
  Channel(net::EventLoop& loop, net::FdCloser& closer, const net::FdCloser::Tally& tally, vhost::Channel kind,
          base::UniqueFd frontend, base::UniqueFd backend, Observer& observer);
  ~Channel();
  Channel(const Channel&) = delete;
  Channel& operator=(const Channel&) = delete;

  // An error of the system, e.g. no room in epoll.
  absl::Status Start();
  // Moves what can be moved. Any time on the loop's thread, also from the observer's OnAdvanced of another
  // channel; not from Judge or Passed of this one.
  void Advance();
  // The same in the next turn: from within the observer.
  void AdvanceSoon();
  // Ends both directions now: what is queued is dropped, the peers see an end.
  void Close();

  // The direction in which `sender` sends.
  Pump& pump(session::Sender sender) { return *pumps_[static_cast<size_t>(sender)]; }
  const Pump& pump(session::Sender sender) const { return *pumps_[static_cast<size_t>(sender)]; }
  bool finished() const { return finished_; }

 private:
  bool AdvanceBoth();
  void PassOnEnd(session::Sender sender);
  void TellEnd(session::Sender sender, bool stuck);
  bool IsOver() const;
  void ArmTimer(bool more);
  void RunAfter(int64_t delay_ns);
  void CancelTimer();
  int socket(session::Sender side) const { return sockets_[static_cast<size_t>(side)].get(); }

  net::EventLoop& loop_;
  Observer& observer_;
  std::array<base::UniqueFd, 2> sockets_;       // by side
  std::array<std::unique_ptr<Pump>, 2> pumps_;  // by sender
  std::array<bool, 2> end_passed_on_{};         // by sender
  std::array<bool, 2> end_told_{};              // by sender
  std::array<net::EventLoop::WatchId, 2> watches_{};
  std::optional<net::EventLoop::TimerId> timer_;
  int64_t retry_ns_;
  bool advancing_ = false;
  bool finished_ = false;
};

}  // namespace shmemd::relay
