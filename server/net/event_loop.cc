#include "server/net/event_loop.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "server/base/clock.h"
#include "server/base/posix_error.h"

namespace shmemd::net {
namespace {

constexpr EventLoop::WatchId kWakeWatch = 0;
constexpr size_t kEventsPerTurn = 64;
constexpr int64_t kNanosPerMilli = 1'000'000;

}  // namespace

absl::StatusOr<std::unique_ptr<EventLoop>> EventLoop::Create() {
  base::UniqueFd epoll(epoll_create1(EPOLL_CLOEXEC));
  if (!epoll.is_open()) return base::PosixError(errno, "epoll_create1");
  base::UniqueFd wake(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
  if (!wake.is_open()) return base::PosixError(errno, "eventfd");
  epoll_event event{};
  event.events = EPOLLIN | EPOLLET;
  event.data.u64 = kWakeWatch;
  if (epoll_ctl(epoll.get(), EPOLL_CTL_ADD, wake.get(), &event) != 0)
    return base::PosixError(errno, "epoll_ctl");
  std::unique_ptr<EventLoop> loop(new EventLoop(std::move(epoll), std::move(wake)));
  loop->last_turn_ns_ = base::MonotonicNanos();
  return loop;
}

EventLoop::~EventLoop() = default;

absl::StatusOr<EventLoop::WatchId> EventLoop::Watch(int fd, Callback on_ready) {
  const WatchId id = next_id_++;
  epoll_event event{};
  event.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
  event.data.u64 = id;
  if (epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) != 0) return base::PosixError(errno, "epoll_ctl");
  watches_.emplace(id, std::pair(fd, std::make_shared<Callback>(std::move(on_ready))));
  return id;
}

void EventLoop::Unwatch(WatchId watch) {
  const auto it = watches_.find(watch);
  if (it == watches_.end()) return;
  epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, it->second.first, nullptr);
  watches_.erase(it);
}

EventLoop::TimerId EventLoop::After(int64_t delay_ns, Callback call) {
  const TimerId id(base::MonotonicNanos() + std::max<int64_t>(delay_ns, 0), next_id_++);
  timers_.emplace(id, std::move(call));
  return id;
}

void EventLoop::Cancel(const TimerId& timer) { timers_.erase(timer); }

void EventLoop::Post(Callback call) {
  {
    base::MutexLock lock(mutex_);
    posted_.push_back(std::move(call));
  }
  Wake();
}

void EventLoop::Wake() { eventfd_write(wake_.get(), 1); }

int EventLoop::WaitMillis(int64_t max_wait_ns) const {
  int64_t wait_ns = max_wait_ns;
  if (!timers_.empty()) wait_ns = std::min(wait_ns, timers_.begin()->first.first - base::MonotonicNanos());
  if (wait_ns <= 0) return 0;
  return static_cast<int>(std::min<int64_t>((wait_ns + kNanosPerMilli - 1) / kNanosPerMilli, 60'000));
}

size_t EventLoop::Turn(int64_t max_wait_ns) {
  std::array<epoll_event, kEventsPerTurn> events;
  const int count =
      epoll_wait(epoll_.get(), events.data(), static_cast<int>(events.size()), WaitMillis(max_wait_ns));
  last_turn_ns_.store(base::MonotonicNanos(), std::memory_order_relaxed);
  std::array<WatchId, kEventsPerTurn> ready;
  const size_t ready_count = count > 0 ? static_cast<size_t>(count) : 0;
  for (size_t i = 0; i < ready_count; ++i) ready[i] = events[i].data.u64;
  const size_t ran = RunWatches(std::span(ready).first(ready_count));
  return ran + RunTimers() + RunPosted();
}

size_t EventLoop::RunWatches(std::span<const WatchId> ready) {
  size_t ran = 0;
  for (const WatchId id : ready) {
    if (id == kWakeWatch) {
      eventfd_t ignored = 0;
      eventfd_read(wake_.get(), &ignored);
      continue;
    }
    const auto it = watches_.find(id);
    if (it == watches_.end()) continue;
    const std::shared_ptr<Callback> callback = it->second.second;  // lives on if it removes its own watch
    (*callback)();
    ++ran;
  }
  return ran;
}

// Timers that the callbacks add wait for the next turn, even with a delay of 0: nobody starves the sockets.
size_t EventLoop::RunTimers() {
  const int64_t now = base::MonotonicNanos();
  const uint64_t newest = next_id_;
  size_t ran = 0;
  auto it = timers_.begin();
  while (it != timers_.end() && it->first.first <= now) {
    const TimerId id = it->first;
    if (id.second >= newest) {
      ++it;
      continue;
    }
    const Callback call = std::move(it->second);
    timers_.erase(it);
    call();
    ++ran;
    it = timers_.upper_bound(id);
  }
  return ran;
}

size_t EventLoop::RunPosted() {
  std::vector<Callback> calls;
  {
    base::MutexLock lock(mutex_);
    calls.swap(posted_);
  }
  for (const Callback& call : calls) call();
  return calls.size();
}

}  // namespace shmemd::net
