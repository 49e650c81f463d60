#include "server/net/fd_closer.h"

#include <fcntl.h>

#include <chrono>
#include <system_error>
#include <utility>

#include "server/base/mutex.h"
#include "server/base/posix_error.h"

namespace shmemd::net {
namespace {

constexpr auto kPatience = std::chrono::seconds(1);

// tmpfs and hugetlbfs, the only ones with seals, have nobody to wait for.
bool ClosesAtOnce(int fd) { return fcntl(fd, F_GET_SEALS) >= 0; }

}  // namespace

struct FdCloser::Shared {
  struct Slow {
    base::UniqueFd fd;
    std::shared_ptr<std::atomic<size_t>> count;
  };
  base::Mutex mutex;
  base::CondVar changed;
  std::vector<Slow> waiting ABSL_GUARDED_BY(mutex);
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

absl::Status FdCloser::Start() {
  try {
    thread_ = std::thread(&FdCloser::Run, shared_);
  } catch (const std::system_error& error) {
    return base::PosixError(error.code().value(), "start the thread that closes descriptors");
  }
  return absl::OkStatus();
}

void FdCloser::Close(std::vector<base::UniqueFd>& fds, const Tally& tally) {
  std::vector<Shared::Slow> slow;
  for (base::UniqueFd& fd : fds) {
    if (fd.is_open() && !ClosesAtOnce(fd.get())) slow.push_back({std::move(fd), tally.count_});
  }
  fds.clear();
  if (slow.empty()) return;
  *tally.count_ += slow.size();
  base::MutexLock lock(shared_->mutex);
  for (Shared::Slow& entry : slow) shared_->waiting.push_back(std::move(entry));
  shared_->changed.notify_all();
}

void FdCloser::Run(const std::shared_ptr<Shared>& shared) {
  while (true) {
    std::vector<Shared::Slow> taken;
    {
      base::MutexLock lock(shared->mutex);
      while (shared->waiting.empty() && !shared->stopping) shared->changed.wait(shared->mutex);
      taken.swap(shared->waiting);
    }
    const bool last = taken.empty();
    for (Shared::Slow& entry : taken) {  // outside the lock: this is what may hang
      entry.fd.reset();
      --*entry.count;
    }
    if (!last) continue;
    base::MutexLock lock(shared->mutex);
    shared->done = true;
    shared->changed.notify_all();
    return;
  }
}

}  // namespace shmemd::net
