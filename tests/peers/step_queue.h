// Steps that a test gives to a running peer, each with a promise of its answer. Thread-safe.
#pragma once

#include <sys/eventfd.h>

#include <cstdint>
#include <deque>
#include <future>
#include <mutex>
#include <optional>
#include <utility>

#include "tests/peers/fd.h"
#include "tests/peers/script.h"

namespace shmemd::peers {

template <typename StepType, typename Answer>
class PostQueue {
 public:
  struct Posted {
    StepType step;
    std::promise<Answer> answer;
  };

  PostQueue() : ready_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}

  // Readable while steps wait.
  int fd() const { return ready_.get(); }

  std::future<Answer> Post(StepType step) {
    const std::lock_guard lock(mutex_);
    steps_.push_back({std::move(step), {}});
    ::eventfd_write(ready_.get(), 1);
    return steps_.back().answer.get_future();
  }

  std::optional<Posted> Take() {
    const std::lock_guard lock(mutex_);
    if (steps_.empty()) {
      eventfd_t count = 0;
      ::eventfd_read(ready_.get(), &count);
      return std::nullopt;
    }
    Posted step = std::move(steps_.front());
    steps_.pop_front();
    return step;
  }

 private:
  Fd ready_;
  std::mutex mutex_;
  std::deque<Posted> steps_;
};

// For a back-end: the u64 of the ack; nothing when none came or none was asked for.
using StepAnswer = std::optional<uint64_t>;
using StepQueue = PostQueue<Step, StepAnswer>;

}  // namespace shmemd::peers
