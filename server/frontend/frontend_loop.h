// The thread that talks to all back-ends in the modes `frontend` and `probe`: owns the event loop, the
// sessions, the publisher's end of the feed, and carries out the commands that come from the API.
//
// It waits for sockets and timers only. A back-end that is silent, slow or hostile delays nobody: work is
// bounded in each turn, each wait has a deadline, and the feed drops rather than waits.
#pragma once

#include <absl/container/flat_hash_map.h>
#include <absl/status/statusor.h>

#include <atomic>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "server/feed/control.h"
#include "server/feed/publisher.h"
#include "server/frontend/frontend_config.h"
#include "server/frontend/frontend_session.h"
#include "server/frontend/prober.h"
#include "server/net/event_loop.h"

namespace shmemd::frontend {

class FrontendLoop {
 public:
  // `queue` and `control` outlive the loop. `source` keeps the handles of several movers apart. An error of
  // the system, e.g. no descriptors left.
  static absl::StatusOr<std::unique_ptr<FrontendLoop>> Create(feed::UpdateQueue& queue,
                                                              feed::Control& control,
                                                              const FrontendConfig& config, uint8_t source);
  ~FrontendLoop();  // stops
  FrontendLoop(const FrontendLoop&) = delete;
  FrontendLoop& operator=(const FrontendLoop&) = delete;

  // Before Start. The mode is kFrontend or kProbe; the id is valid and not attached yet.
  state::BackendHandle Attach(state::BackendSpec spec);
  void Start();
  // Ends all connections, answers what is under way with kShuttingDown, joins the thread.
  void Stop();

  // Any thread: monotonic nanoseconds at which the loop last turned; it turns at least once a second.
  int64_t last_turn_ns() const { return loop_->last_turn_ns(); }

 private:
  FrontendLoop(std::unique_ptr<net::EventLoop> loop, feed::UpdateQueue& queue, feed::Control& control,
               const FrontendConfig& config, uint8_t source);
  void Run();
  void TakeCommands();
  void Execute(uint64_t id, const feed::RefreshCommand& command);
  void Execute(uint64_t id, const feed::ProbeCommand& command);
  void Execute(uint64_t id, const feed::AttachCommand& command);
  void Execute(uint64_t id, const feed::DetachCommand& command);
  void Execute(uint64_t id, const feed::ResetPeaksCommand& command);
  // The answer to a command about a back-end that is not here.
  void NotFound(uint64_t id, const std::string& backend_id);
  void Remove(FrontendSession& session);
  void OnProbed(uint64_t id, absl::StatusOr<state::ProbeReport> report);
  FrontendSession* FindSession(const std::string& backend_id) const;
  // Empty: nobody of us is connected to it, by this path or by another that leads to the same socket.
  std::string UserOf(const std::string& socket) const;
  void Close();

  const std::unique_ptr<net::EventLoop> loop_;
  net::FdCloser closer_;
  feed::Control& control_;
  const FrontendConfig config_;
  const uint64_t page_size_;
  feed::Publisher publisher_;
  MappingBudget budget_;
  std::minstd_rand random_;
  std::vector<std::unique_ptr<FrontendSession>> sessions_;
  absl::flat_hash_map<uint64_t, std::unique_ptr<Prober>> probes_;  // by command
  std::atomic<bool> stopping_{false};
  std::thread thread_;
};

}  // namespace shmemd::frontend
