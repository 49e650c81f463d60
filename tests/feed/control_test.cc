#include <condition_variable>
#include <future>
#include <mutex>

#include "tests/feed/feed_fixture.h"

namespace shmemd::feed {
namespace {

// Waits for one completion.
class Outcome {
 public:
  Control::Completion Take() {
    return [this](const CommandResult& result) {
      std::lock_guard lock(mutex_);
      results_.push_back(result);
      changed_.notify_all();
    };
  }
  CommandResult Wait() {
    std::unique_lock lock(mutex_);
    if (!changed_.wait_for(lock, std::chrono::seconds(20), [this] { return !results_.empty(); })) {
      ADD_FAILURE() << "no completion";
      return {};
    }
    return results_.front();
  }
  size_t count() {
    std::lock_guard lock(mutex_);
    return results_.size();
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<CommandResult> results_;
};

class ControlTest : public testing::Test {
 protected:
  ControlTest() { hub_.AddSource(queue_, control_); }

  UpdateQueue queue_{64};
  Control control_;
  Publisher publisher_{queue_, 0, kPage};
  Hub hub_{kPage};
};

TEST_F(ControlTest, WhatTheMoverPublishedBeforeItsAnswerIsVisibleWhenTheCompletionRuns) {
  hub_.Start();
  const state::BackendHandle handle = publisher_.Attach(Spec("gpu0"));
  for (int i = 0; i < 100; ++i) {
    std::promise<uint64_t> seen;
    control_.Submit(RefreshCommand{"gpu0"}, InSeconds(20), [&](const CommandResult& result) {
      EXPECT_EQ(result.failure, CommandFailure::kNone) << result.message;
      hub_.Read([&](const ReplicaView& view) { seen.set_value(view.Find("gpu0")->status().epoch); });
    });
    const std::vector<Command> commands = control_.Take();
    ASSERT_EQ(commands.size(), 1U);
    EXPECT_EQ(std::get<RefreshCommand>(commands[0].body).backend_id, "gpu0");
    publisher_.Publish(handle, state::Connected{});
    control_.Complete(commands[0].id, {});
    EXPECT_EQ(seen.get_future().get(), publisher_.Find(handle)->status().epoch);
  }
}

TEST_F(ControlTest, ACommandWithoutAnAnswerEndsAtItsDeadlineAndTheLateAnswerIsDropped) {
  hub_.Start();
  Outcome outcome;
  control_.Submit(ProbeCommand{"/run/x.sock"}, base::MonotonicNanos() + 1'000'000, outcome.Take());
  EXPECT_EQ(outcome.Wait().failure, CommandFailure::kBackendBusy);
  const std::vector<Command> commands = control_.Take();
  ASSERT_EQ(commands.size(), 1U);
  control_.Complete(commands[0].id, {});
  Outcome next;
  control_.Submit(ProbeCommand{"/run/y.sock"}, InSeconds(20), next.Take());
  control_.Complete(control_.Take().at(0).id, {});
  EXPECT_EQ(next.Wait().failure, CommandFailure::kNone);
  EXPECT_EQ(outcome.count(), 1U);
}

TEST_F(ControlTest, MoreThan64CommandsAreRefusedAtOnceAndNoneIsLost) {
  hub_.Start();
  std::vector<std::unique_ptr<Outcome>> outcomes;
  for (size_t i = 0; i < Control::kMaxCommands; ++i) {
    outcomes.push_back(std::make_unique<Outcome>());
    control_.Submit(RefreshCommand{"gpu0"}, InSeconds(20), outcomes.back()->Take());
  }
  Outcome refused;
  control_.Submit(RefreshCommand{"gpu0"}, InSeconds(20), refused.Take());
  EXPECT_EQ(refused.Wait().failure, CommandFailure::kTooManyCommands);
  for (const Command& command : control_.Take()) control_.Complete(command.id, {});
  for (const auto& outcome : outcomes) EXPECT_EQ(outcome->Wait().failure, CommandFailure::kNone);
}

TEST_F(ControlTest, StoppingTheHubEndsWhatWaitsAndRefusesWhatComes) {
  hub_.Start();
  Outcome waiting;
  control_.Submit(RefreshCommand{"gpu0"}, InSeconds(60), waiting.Take());
  hub_.Stop();
  EXPECT_EQ(waiting.Wait().failure, CommandFailure::kShuttingDown);
  Outcome late;
  control_.Submit(RefreshCommand{"gpu0"}, InSeconds(60), late.Take());
  EXPECT_EQ(late.Wait().failure, CommandFailure::kShuttingDown);
}

}  // namespace
}  // namespace shmemd::feed
