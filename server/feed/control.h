// Commands to a mover, and their answers: a bounded queue of values with an eventfd, one completion each.
//
// API threads submit; the mover takes and completes; completions run on the hub's thread after the events that the
// mover published before completing were applied, so that an answered command is visible to the next read.
#pragma once

#include <absl/status/status.h>

#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "server/base/mutex.h"
#include "server/base/unique_fd.h"
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
using CommandBody = std::variant<RefreshCommand, ProbeCommand>;

// Why a command failed, for programs; each is an ErrorInfo reason of the same name.
enum class CommandFailure : uint8_t {
  kNone,
  kBackendNotFound,
  kShmemNotNegotiated,
  kShmemConfigInvalid,
  kBackendUnreachable,
  kBackendBusy,        // another command runs, the socket is in use, or it took too long
  kTooManyCommands,    // the queue is full
  kShuttingDown,
};

struct CommandResult {
  CommandFailure failure = CommandFailure::kNone;
  std::string message;  // who, what, expected, got; empty when done
  std::optional<state::ProbeReport> report;
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

  // Any thread. `done` runs exactly once, on the hub's thread; at once on this one with kTooManyCommands or
  // kShuttingDown. When `deadline_ns` passes first it runs with kBackendBusy and the mover's late answer is dropped.
  void Submit(CommandBody body, int64_t deadline_ns, Completion done);

  // Mover: readable when commands wait. Borrowed.
  int event_fd() const;
  // Mover: all that wait, and clears the eventfd.
  std::vector<Command> Take();
  // Mover: the answer. Never blocks on a reader.
  void Complete(uint64_t id, CommandResult result);

  // Hub: runs what is complete or late.
  void RunCompletions(int64_t now_ns);
  // Hub: ends everything that waits, and refuses what comes.
  void Shutdown();
  // Hub: woken by Complete. Set before the first Submit. Borrowed.
  void set_wake_fd(int fd);
};

}  // namespace shmemd::feed
