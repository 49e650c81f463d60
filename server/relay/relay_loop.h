// The thread that relays: owns the event loop, the entries, the publisher's end of the feed, and carries out
// the commands that come from the API.
//
// It waits for sockets and timers only. Whatever a peer or a reader does, it delays nobody else: work is
// bounded in each turn, the feed drops rather than waits, and descriptors whose close may hang are closed
// elsewhere.
#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <atomic>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "server/feed/control.h"
#include "server/feed/publisher.h"
#include "server/net/event_loop.h"
#include "server/net/fd_closer.h"
#include "server/relay/relay_config.h"
#include "server/relay/relay_entry.h"

namespace shmemd::relay {

class RelayLoop final : EntryObserver {
 public:
  // `queue` and `control` outlive the loop. `source` keeps the handles of several movers apart. An error of
  // the system, e.g. no descriptors left.
  static absl::StatusOr<std::unique_ptr<RelayLoop>> Create(feed::UpdateQueue& queue, feed::Control& control,
                                                           const RelayConfig& config, uint8_t source);
  ~RelayLoop() override;  // stops
  RelayLoop(const RelayLoop&) = delete;
  RelayLoop& operator=(const RelayLoop&) = delete;

  // Before Start. Opens the sockets that it listens at; an error names the path. The mode is kRelay; the id
  // is valid and not attached yet.
  absl::Status Attach(state::BackendSpec spec);
  // Begins to connect and to accept, and to take commands: its threads are made here, so that a loop without
  // anything to relay costs none. Once.
  absl::Status Start();
  // Any thread: no more sessions. Who waits for one is let go, and its back-end is detached; those that live
  // go on and are shown DETACHING, each is detached when it is over.
  void Drain();
  // Ends all sessions, answers what is under way with kShuttingDown, joins the thread.
  void Stop();

  // Any thread: monotonic nanoseconds at which the loop last turned; it turns at least once a second. 0: it
  // has not begun to.
  int64_t last_turn_ns() const { return turns_.load(std::memory_order_acquire) ? loop_->last_turn_ns() : 0; }

 private:
  RelayLoop(std::unique_ptr<net::EventLoop> loop, feed::UpdateQueue& queue, feed::Control& control,
            const RelayConfig& config, uint8_t source);
  void Run();
  void TakeCommands();
  void RetireAll();
  void Execute(uint64_t id, const feed::RefreshCommand& command);
  void Execute(uint64_t id, const feed::ProbeCommand& command);
  void Execute(uint64_t id, const feed::AttachCommand& command);
  void Execute(uint64_t id, const feed::DetachCommand& command);
  void Execute(uint64_t id, const feed::ResetPeaksCommand& command);
  void OnEntryOver(RelayEntry& entry) override;
  EntryContext Context();
  RelayEntry* Find(const std::string& backend_id) const;
  // The answer to a command about a back-end that is not here.
  void NotFound(uint64_t id, const std::string& backend_id);
  absl::Status Add(const state::BackendSpec& spec);
  absl::Status Change(RelayEntry& entry, const state::BackendSpec& spec);
  // Ends its session, if one lives.
  void Remove(RelayEntry& entry);
  void Renew(RelayEntry& entry);

  const std::unique_ptr<net::EventLoop> loop_;
  net::FdCloser closer_;
  feed::Control& control_;
  const RelayConfig config_;
  feed::Publisher publisher_;
  std::minstd_rand random_;
  std::vector<std::unique_ptr<RelayEntry>> entries_;
  std::atomic<bool> draining_{false};
  std::atomic<bool> stopping_{false};
  std::atomic<bool> turns_{false};  // it has begun to
  std::thread thread_;
};

}  // namespace shmemd::relay
