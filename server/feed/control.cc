#include "server/feed/control.h"

#include <limits>

namespace shmemd::feed {

Control::Control() { gathered_.reserve(kMaxCommands); }

void Control::RingHub() const {
  if (const WakeFd* wake = hub_wake_.load(std::memory_order_acquire)) wake->Ring();
}

void Control::Submit(CommandBody body, int64_t deadline_ns, Completion done) {
  CommandResult refused;
  {
    base::MutexLock lock(mutex_);
    if (shut_down_) {
      refused = {CommandFailure::kShuttingDown, "shmemd is shutting down", std::nullopt};
    } else if (pending_.size() >= kMaxCommands) {
      refused = {CommandFailure::kTooManyCommands, "64 commands are waiting or running already",
                 std::nullopt};
    } else {
      const uint64_t id = next_id_++;
      pending_.emplace(id, Pending{std::move(done), deadline_ns});
      // Cannot fail: no more commands are pending than it has room for.
      commands_.TryPush(Command{id, std::move(body), deadline_ns});
    }
  }
  if (refused.failure != CommandFailure::kNone) {
    done(refused);
    return;
  }
  mover_wake_.Ring();
  RingHub();
}

std::vector<Command> Control::Take() {
  mover_wake_.Clear();
  std::vector<Command> taken;
  while (std::optional<Command> command = commands_.TryPop()) taken.push_back(std::move(*command));
  return taken;
}

void Control::Complete(uint64_t id, CommandResult result) {
  answers_.TryPush(Answer{id, std::move(result)});
  RingHub();
}

void Control::CollectAnswers() {
  while (std::optional<Answer> answer = answers_.TryPop()) gathered_.push_back(std::move(*answer));
}

void Control::RunCompletions(int64_t now_ns, bool answers) {
  std::vector<Runnable> runnable;
  {
    base::MutexLock lock(mutex_);
    if (answers) {
      for (Answer& answer : gathered_) {
        const auto found = pending_.find(answer.id);
        if (found == pending_.end()) continue;
        if (found->second.done)
          runnable.emplace_back(std::move(found->second.done), std::move(answer.result));
        pending_.erase(found);
      }
      gathered_.clear();
    }
    for (auto& [id, pending] : pending_) {
      if (!pending.done || pending.deadline_ns > now_ns) continue;
      runnable.emplace_back(
          std::exchange(pending.done, nullptr),
          CommandResult{CommandFailure::kBackendBusy, "no answer within the deadline", std::nullopt});
    }
  }
  for (auto& [done, result] : runnable) done(result);
}

int64_t Control::NextDeadline() const {
  base::MutexLock lock(mutex_);
  int64_t earliest = std::numeric_limits<int64_t>::max();
  for (const auto& [id, pending] : pending_) {
    if (pending.done && pending.deadline_ns < earliest) earliest = pending.deadline_ns;
  }
  return earliest;
}

void Control::Shutdown() {
  std::vector<Completion> waiting;
  {
    base::MutexLock lock(mutex_);
    shut_down_ = true;
    for (auto& [id, pending] : pending_) {
      if (pending.done) waiting.push_back(std::exchange(pending.done, nullptr));
    }
  }
  for (Completion& done : waiting) {
    done(CommandResult{CommandFailure::kShuttingDown, "shmemd is shutting down", std::nullopt});
  }
}

}  // namespace shmemd::feed
