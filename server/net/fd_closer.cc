#include "server/net/fd_closer.h"

#include <fcntl.h>

#include <chrono>
#include <iterator>
#include <utility>

#include "server/base/mutex.h"

namespace shmemd::net {
namespace {

constexpr auto kPatience = std::chrono::seconds(1);

// tmpfs and hugetlbfs, the only ones with seals, have nobody to wait for.
bool ClosesAtOnce(int fd) { return fcntl(fd, F_GET_SEALS) >= 0; }

}  // namespace

struct FdCloser::Shared {
  base::Mutex mutex;
  base::CondVar changed;
  std::vector<base::UniqueFd> waiting ABSL_GUARDED_BY(mutex);
  bool stopping ABSL_GUARDED_BY(mutex) = false;
  bool done ABSL_GUARDED_BY(mutex) = false;
};

FdCloser::FdCloser() : shared_(std::make_shared<Shared>()) {}

FdCloser::~FdCloser() {
  if (!thread_.joinable()) return;
  bool done = false;
  {
    base::MutexLock lock(shared_->mutex);
    shared_->stopping = true;
    shared_->changed.notify_all();
    const auto deadline = std::chrono::steady_clock::now() + kPatience;
    while (!shared_->done &&
           shared_->changed.wait_until(shared_->mutex, deadline) != std::cv_status::timeout) {
    }
    done = shared_->done;
  }
  if (done) {
    thread_.join();
  } else {
    thread_.detach();
  }
}

void FdCloser::Close(std::vector<base::UniqueFd>& fds) {
  std::vector<base::UniqueFd> slow;
  for (base::UniqueFd& fd : fds) {
    if (fd.is_open() && !ClosesAtOnce(fd.get())) slow.push_back(std::move(fd));
  }
  fds.clear();
  if (slow.empty()) return;
  if (!thread_.joinable()) thread_ = std::thread(&FdCloser::Run, shared_);
  base::MutexLock lock(shared_->mutex);
  std::move(slow.begin(), slow.end(), std::back_inserter(shared_->waiting));
  shared_->changed.notify_all();
}

void FdCloser::Run(const std::shared_ptr<Shared>& shared) {
  while (true) {
    std::vector<base::UniqueFd> taken;
    {
      base::MutexLock lock(shared->mutex);
      while (shared->waiting.empty() && !shared->stopping) shared->changed.wait(shared->mutex);
      taken.swap(shared->waiting);
    }
    const bool last = taken.empty();
    taken.clear();  // outside the lock: this is what may hang
    if (!last) continue;
    base::MutexLock lock(shared->mutex);
    shared->done = true;
    shared->changed.notify_all();
    return;
  }
}

}  // namespace shmemd::net
