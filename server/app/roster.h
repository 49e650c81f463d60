// Which back-ends are attached, and the only one who changes that: attaches what the configuration names and
// what was written down, then does one after the other what AttachBackend, DetachBackend and reloads ask for.
//
// Owned by the composition root. A thread of its own, because the disk and the movers are waited for; callers
// wait for nothing. The order makes the state file true: what is attached is written down before it is
// acknowledged, and what is detached is struck out before it goes.
#pragma once

#include <absl/status/status.h>

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "server/api/backend_roster.h"
#include "server/api/replica_reader.h"
#include "server/app/config.h"
#include "server/app/state_file.h"
#include "server/base/mutex.h"
#include "server/feed/control.h"
#include "server/frontend/frontend_loop.h"
#include "server/relay/relay_loop.h"

namespace shmemd::app {

// Those who carry it out. All outlive the roster.
struct RosterMovers {
  frontend::FrontendLoop& frontend;
  feed::Control& frontend_control;
  relay::RelayLoop& relay;
  feed::Control& relay_control;
};

class Roster final : public api::BackendRoster {
 public:
  static constexpr size_t kMaxOrders = 64;  // that wait

  // `state_file`: nullptr: nothing is written down.
  Roster(const Config& config, const RosterMovers& movers, api::ReplicaReader reader,
         std::unique_ptr<StateFile> state_file);
  ~Roster() override;  // stops
  Roster(const Roster&) = delete;
  Roster& operator=(const Roster&) = delete;

  // Before Start: reads what was written down and opens the sockets at which relays listen. An error is of
  // the configuration; what of the state file cannot be had is logged, and stays written down.
  absl::Status OpenRelays();
  // Attaches all others, starts the movers, then takes orders. Once.
  absl::Status Start();
  // Those that readers should see after Start.
  const std::vector<std::string>& started_with() const { return started_with_; }
  // Finishes the order that is under way and ends the others with kShuttingDown.
  void Stop();

  state::BackendSpec relay_defaults() const override;
  void Attach(const state::BackendSpec& spec, bool validate_only, int64_t deadline_ns,
              feed::Control::Completion done) override;
  void Detach(const std::string& backend_id, bool end_sessions, int64_t deadline_ns,
              feed::Control::Completion done) override;
  // Any thread: makes what is attached as `config` names it, after the orders that wait. Of several that wait
  // the last one counts. The log says what came of it.
  void Reload(const Config& config);

 private:
  struct Entry {
    state::BackendSpec spec;
    bool attached = true;  // false: written down, but it could not be attached when shmemd started
  };
  struct Order {
    std::function<feed::CommandResult()> run;
    int64_t deadline_ns = 0;
    feed::Control::Completion done;
  };
  using Entries = std::map<std::string, Entry>;

  void Run();
  void Enqueue(std::function<feed::CommandResult()> run, int64_t deadline_ns, feed::Control::Completion done);

  // On the roster's thread from here on.
  feed::CommandResult AttachNow(const state::BackendSpec& spec, bool validate_only);
  feed::CommandResult DetachNow(const std::string& backend_id, bool end_sessions);
  feed::CommandResult MayAttach(const state::BackendSpec& spec) const;
  std::string SocketUser(const state::BackendSpec& spec) const;
  // What readers see of one that is attached no more: a session of it lives.
  std::optional<state::BackendSpec> Leaving(const std::string& backend_id) const;
  absl::Status Save() const;
  absl::Status EnsureRelayRuns();
  feed::CommandResult Command(state::Mode mode, const feed::CommandBody& body);
  feed::CommandResult AttachCommand(const state::BackendSpec& spec, bool replace);
  feed::CommandResult DetachCommand(const state::BackendSpec& spec, feed::DetachCommand::Session session);

  void Restore();
  void ReloadNow(const Config& config);
  absl::Status CheckReload(const Config& config) const;
  bool Replace(Entry& entry, const state::BackendSpec& spec);
  bool MoveToOtherMover(Entry& entry, const state::BackendSpec& spec);

  const Config config_;  // as started
  const RosterMovers movers_;
  const api::ReplicaReader reader_;
  const std::unique_ptr<StateFile> state_file_;
  Entries entries_;  // by id
  std::vector<std::string> started_with_;
  bool relay_runs_ = false;

  mutable base::Mutex mutex_;
  base::CondVar woken_;
  std::deque<Order> orders_ ABSL_GUARDED_BY(mutex_);
  std::optional<Config> reload_ ABSL_GUARDED_BY(mutex_);
  state::BackendSpec relay_defaults_ ABSL_GUARDED_BY(mutex_);
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace shmemd::app
