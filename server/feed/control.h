// Commands to a mover, and their answers: bounded queues of values with an eventfd, one completion each.
//
// API threads submit; the mover takes and completes, and shares no lock with anybody; completions run on the
// hub's thread after the events that the mover published before it completed, so that an answered command is
// visible to the next read.
#pragma once

#include <absl/container/flat_hash_map.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "server/base/mutex.h"
#include "server/feed/spsc_ring.h"
#include "server/feed/wake_fd.h"
#include "server/state/backend_spec.h"
#include "server/state/probe_report.h"

namespace shmemd::feed {

// Ask GET_SHMEM_CONFIG again.
struct RefreshCommand {
  std::string backend_id;
};
// Connect to a socket that is not attached, ask twice, leave.
struct ProbeCommand {
  std::string socket;
};
// Attach a back-end, or let one stay that is being detached and is attached in the same way.
struct AttachCommand {
  state::BackendSpec spec;
  // One that is attached in another way gives way; in mode relay when its session ends.
  bool replace = false;
};
// Take a back-end off.
struct DetachCommand {
  // What becomes of a relayed session that lives.
  enum class Session : uint8_t {
    kLeave,   // it goes on, and the back-end is DETACHING until it ends
    kEnd,     // it is ended
    kRefuse,  // kBackendBusy, and nothing is done
  };
  std::string backend_id;
  Session session = Session::kLeave;
};
// Peaks start again: of one region, or of all of a back-end.
struct ResetPeaksCommand {
  std::string backend_id;
  std::optional<uint8_t> shmid;
};
using CommandBody =
    std::variant<RefreshCommand, ProbeCommand, AttachCommand, DetachCommand, ResetPeaksCommand>;

// Why a command failed, for programs; each is an ErrorInfo reason of the same name.
enum class CommandFailure : uint8_t {
  kNone,
  kBackendNotFound,
  kShmemNotNegotiated,
  kShmemConfigInvalid,
  kBackendUnreachable,
  kQueryNotAllowed,  // mode relay with query: snoop
  kBackendBusy,      // another command runs, the socket is in use, or it took too long
  kTooManyCommands,  // the queue is full
  kShuttingDown,
  kRegionNotFound,
  kAlreadyAttached,  // in another way
  kBackendInvalid,   // what was asked for makes no sense
  kTooManyBackends,
  kListenFailed,
  kStateNotSaved,
};
inline constexpr int kCommandFailureCount = 15;

struct CommandResult {
  CommandFailure failure = CommandFailure::kNone;
  std::string message;  // who, what, expected, got; empty when done
  std::optional<state::ProbeReport> report;
  std::string field = {};  // kBackendInvalid: the field of the specification
};

struct Command {
  uint64_t id = 0;
  CommandBody body;
  int64_t deadline_ns = 0;  // monotonic
};

class Control {
 public:
  using Completion = std::function<void(const CommandResult&)>;
  static constexpr size_t kMaxCommands = 64;  // waiting or running

  Control();
  Control(const Control&) = delete;
  Control& operator=(const Control&) = delete;

  // Any thread. `done` runs exactly once: on the hub's thread, or at once on this one with kTooManyCommands
  // or kShuttingDown. When `deadline_ns` (monotonic) passes first it runs with kBackendBusy, and what the
  // mover says later is dropped.
  void Submit(CommandBody body, int64_t deadline_ns, Completion done);

  // Mover: readable when commands wait. Borrowed.
  int event_fd() const { return mover_wake_.fd(); }
  // Mover: all that wait; clears the eventfd.
  std::vector<Command> Take();
  // Mover: the answer to a command that it took, exactly one each.
  void Complete(uint64_t id, CommandResult result);

  // Hub: gathers the answers given so far. Their completions run with the next RunCompletions.
  void CollectAnswers();
  // Hub: runs what was gathered, if `answers` may be shown, and what is late.
  void RunCompletions(int64_t now_ns, bool answers);
  // Hub: the earliest deadline of what waits (monotonic); INT64_MAX when nothing does.
  int64_t NextDeadline() const;
  // Hub: ends everything that waits with kShuttingDown, and refuses what comes.
  void Shutdown();
  // Hub: rung by Complete and Submit. Before the first of either.
  void set_wake(const WakeFd* wake) { hub_wake_.store(wake, std::memory_order_release); }

 private:
  struct Pending {
    Completion done;  // empty: ran already, because it was late
    int64_t deadline_ns = 0;
  };
  struct Answer {
    uint64_t id = 0;
    CommandResult result;
  };
  using Runnable = std::pair<Completion, CommandResult>;

  void RingHub() const;

  WakeFd mover_wake_;
  std::atomic<const WakeFd*> hub_wake_{nullptr};
  SpscRing<Command> commands_{kMaxCommands};  // pushed with mutex_ held, popped by the mover
  SpscRing<Answer> answers_{kMaxCommands};    // pushed by the mover, popped by the hub
  std::vector<Answer> gathered_;              // hub only

  mutable base::Mutex mutex_;
  absl::flat_hash_map<uint64_t, Pending> pending_ ABSL_GUARDED_BY(mutex_);
  uint64_t next_id_ ABSL_GUARDED_BY(mutex_) = 1;
  bool shut_down_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace shmemd::feed
