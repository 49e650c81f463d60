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
#include "server/app/socket_use.h"
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
  struct Changes;
  // What a reload has still to do.
  struct PendingChange {
    const state::BackendSpec* spec;
    bool is_new;            // it was not attached before
    std::string waits_for;  // who uses a socket of it; empty: nobody
    std::string why_not;
    std::optional<state::BackendSpec> taken_out;  // as it was, to be put back
  };
  using Pending = std::vector<PendingChange>;

  void Run();
  void Enqueue(std::function<feed::CommandResult()> run, int64_t deadline_ns, feed::Control::Completion done);

  // On the roster's thread from here on.
  feed::CommandResult AttachNow(const state::BackendSpec& spec, bool validate_only);
  feed::CommandResult DetachNow(const std::string& backend_id, bool end_sessions);
  feed::CommandResult MayAttach(const state::BackendSpec& spec) const;
  // Every socket that is spoken for, also by what is only written down.
  SocketUse SocketsInUse() const;
  // Those of back-ends that are attached, or shown because a session of them lives.
  SocketUse SocketsOfAttached() const;
  size_t AttachedCount() const;
  // What readers see of one that is attached no more: a session of it lives.
  std::optional<state::BackendSpec> Leaving(const std::string& backend_id) const;
  absl::Status Save() const;
  // After a change that could not be saved was taken back.
  absl::Status SavedAgain(const absl::Status& failed) const;
  absl::Status EnsureRelayRuns();
  feed::CommandResult Command(state::Mode mode, const feed::CommandBody& body);
  feed::CommandResult AttachCommand(const state::BackendSpec& spec, bool replace);
  feed::CommandResult DetachCommand(const state::BackendSpec& spec, feed::DetachCommand::Session session);

  absl::Status OpenRelay(Entry& entry);
  absl::Status Restore();
  void ReloadNow(const Config& config);
  absl::Status CheckReload(const Config& config) const;
  void DoChanges(const Config& config, Changes& changes);
  bool DoPass(Pending& pending, Changes& changes);
  bool BreakRing(Pending& pending);
  void PutBack(const PendingChange& change);
  std::string WhyLeaving(const state::BackendSpec& spec) const;
  bool Add(const state::BackendSpec& spec);
  void AttachWrittenDown(Changes& changes);
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
  size_t orders_before_reload_ ABSL_GUARDED_BY(mutex_) = 0;
  state::BackendSpec relay_defaults_ ABSL_GUARDED_BY(mutex_);
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace shmemd::app
