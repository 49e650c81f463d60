#include "server/feed/hub.h"

#include <poll.h>

#include <algorithm>
#include <chrono>
#include <ctime>

#include "server/base/clock.h"
#include "server/base/thread_name.h"

namespace shmemd::feed {
namespace {

constexpr int64_t kTurnAtLeastEveryNs = 1'000'000'000;
// Once woken the hub lets more come before it looks: a mover that is busy rings it 500 times a second at
// most, and is not taken off its core for each event. Readers are behind by as much.
constexpr timespec kGather{0, 2'000'000};

}  // namespace

Hub::Hub(uint64_t page_size, size_t max_events)
    : page_size_(page_size), last_turn_ns_(base::MonotonicNanos()), events_(max_events) {}

Hub::~Hub() { Stop(); }

void Hub::AddSource(UpdateQueue& queue, Control& control) {
  sources_.push_back(std::make_unique<Source>(queue, control, page_size_));
  queue.set_wake(&wake_);
  control.set_wake(&wake_);
}

void Hub::Start() {
  thread_ = std::thread([this] { Run(); });
}

void Hub::Stop() {
  if (!thread_.joinable()) return;
  stopping_.store(true, std::memory_order_release);
  wake_.Ring();
  thread_.join();
  for (const auto& source : sources_) {
    source->queue.set_wake(nullptr);
    source->control.set_wake(nullptr);
  }
}

void Hub::Run() {
  base::NameThisThread("hub");
  while (!stopping_.load(std::memory_order_acquire)) {
    Turn();
    Sleep();
  }
  Turn();
  for (const auto& source : sources_) source->control.Shutdown();
}

void Hub::Turn() {
  for (const auto& source : sources_) {
    // Answers are gathered before the events are applied: the mover published its events before it answered.
    source->control.CollectAnswers();
    for (int batch = 0; batch < kBatchesPerTurn && ApplyBatch(*source); ++batch) {
    }
    bool whole = false;
    {
      base::MutexLock lock(mutex_);
      whole = !source->queue.lost() && !source->replica.catching_up();
    }
    source->control.RunCompletions(base::MonotonicNanos(), whole);
  }
  last_turn_ns_.store(base::MonotonicNanos(), std::memory_order_relaxed);
}

bool Hub::ApplyBatch(Source& source) {
  int applied = 0;
  bool changed = false;
  {
    base::MutexLock lock(mutex_);
    while (applied < kBatch) {
      std::optional<Update> update = source.queue.TryPop();
      if (!update) break;
      ++applied;
      if (!source.replica.Apply(std::move(*update), revision_ + 1, events_)) continue;
      ++revision_;
      changed = true;
    }
    if (source.replica.TakeMembershipChange()) IndexById();
  }
  if (changed) TellOfChange();
  return applied == kBatch;
}

void Hub::TellOfChange() {
  changed_.notify_all();
  base::MutexLock lock(listener_mutex_);
  if (on_change_) on_change_();
}

void Hub::SetListener(std::function<void()> on_change) {
  base::MutexLock lock(listener_mutex_);
  on_change_ = std::move(on_change);
}

void Hub::IndexById() {
  by_id_.clear();
  for (const auto& source : sources_) {
    for (const auto& [handle, table] : source->replica.tables()) by_id_[table->spec().id] = table.get();
  }
}

bool Hub::SyncedLocked() const {
  return std::none_of(sources_.begin(), sources_.end(), [](const auto& source) {
    return source->queue.lost() || source->replica.catching_up();
  });
}

void Hub::Sleep() {
  bool empty = true;
  for (const auto& source : sources_) empty &= source->queue.PrepareToSleep();
  if (!empty) return;
  int64_t wait_ns = kTurnAtLeastEveryNs;
  for (const auto& source : sources_) {
    wait_ns = std::min(wait_ns, source->control.NextDeadline() - base::MonotonicNanos());
  }
  pollfd wake{wake_.fd(), POLLIN, 0};
  const int rung = poll(&wake, 1, static_cast<int>(std::max<int64_t>(wait_ns, 0) / 1'000'000 + 1));
  const bool lost =
      std::any_of(sources_.begin(), sources_.end(), [](const auto& source) { return source->queue.lost(); });
  if (rung > 0 && !lost && !stopping_.load(std::memory_order_acquire)) nanosleep(&kGather, nullptr);
  wake_.Clear();
}

void Hub::Read(const std::function<void(const ReplicaView&)>& read) const {
  base::MutexLock lock(mutex_);
  read(ReplicaView{by_id_, revision_, SyncedLocked(), events_});
}

uint64_t Hub::dropped_count() const {
  uint64_t sum = 0;
  for (const auto& source : sources_) sum += source->queue.dropped_count();
  return sum;
}

bool Hub::WaitForChange(uint64_t seen_revision, int64_t deadline_ns) const {
  base::MutexLock lock(mutex_);
  while (revision_ == seen_revision) {
    const int64_t left_ns = deadline_ns - base::MonotonicNanos();
    if (left_ns <= 0) return false;
    changed_.wait_for(mutex_, std::chrono::nanoseconds(left_ns));
  }
  return true;
}

}  // namespace shmemd::feed
