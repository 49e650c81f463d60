#include "server/net/fd_closer.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <algorithm>
#include <chrono>
#include <deque>
#include <system_error>
#include <utility>

#include "server/base/clock.h"
#include "server/base/mutex.h"
#include "server/base/posix_error.h"
#include "server/base/thread_name.h"

namespace shmemd::net {
namespace {

constexpr auto kPatience = std::chrono::seconds(1);
constexpr int64_t kStandstillNs = 100'000'000;

bool IsUnixSocket(int fd) {
  int domain = 0;
  socklen_t length = sizeof(domain);
  return getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &length) == 0 && domain == AF_UNIX;
}

// tmpfs and hugetlbfs, the only ones with seals, eventfds and their kind (no file type), pipes and Unix
// sockets have nobody to wait for.
bool ClosesAtOnce(int fd) {
  if (fcntl(fd, F_GET_SEALS) >= 0) return true;
  struct statx status {};
  if (statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_TYPE, &status) != 0) return false;
  const unsigned type = status.stx_mode & S_IFMT;
  return type == 0 || type == S_IFIFO || (type == S_IFSOCK && IsUnixSocket(fd));
}

}  // namespace

struct FdCloser::Shared {
  struct Slow {
    base::UniqueFd fd;
    std::shared_ptr<Tally::Counts> counts;
  };
  // The oldest one of a source that has a thread left for it.
  std::deque<Slow>::iterator Next() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex) {
    return std::find_if(waiting.begin(), waiting.end(),
                        [](const Slow& slow) { return slow.counts->closing < kMaxThreadsOfOne; });
  }
  std::atomic<size_t> waiting_count = 0;
  std::atomic<int64_t> last_taken_ns = 0;
  base::Mutex mutex;
  base::CondVar changed;
  std::deque<Slow> waiting ABSL_GUARDED_BY(mutex);
  bool stopping ABSL_GUARDED_BY(mutex) = false;
  size_t done ABSL_GUARDED_BY(mutex) = 0;
};

FdCloser::FdCloser() : shared_(std::make_shared<Shared>()) {}

FdCloser::~FdCloser() {
  if (threads_.empty()) return;
  bool done = false;
  {
    base::MutexLock lock(shared_->mutex);
    shared_->stopping = true;
    shared_->changed.notify_all();
    const auto deadline = std::chrono::steady_clock::now() + kPatience;
    while (shared_->done < threads_.size() &&
           shared_->changed.wait_until(shared_->mutex, deadline) != std::cv_status::timeout) {
    }
    done = shared_->done == threads_.size();
  }
  for (std::thread& thread : threads_) {
    if (done) {
      thread.join();
    } else {
      thread.detach();
    }
  }
}

absl::Status FdCloser::Start() { return AddThread(); }

absl::Status FdCloser::AddThread() {
  try {
    threads_.emplace_back(&FdCloser::Run, shared_);
  } catch (const std::system_error& error) {
    return base::PosixError(error.code().value(), "start the thread that closes descriptors");
  }
  return absl::OkStatus();
}

void FdCloser::Close(std::vector<base::UniqueFd>& fds, const Tally& tally) {
  std::vector<Shared::Slow> slow;
  for (base::UniqueFd& fd : fds) {
    if (fd.is_open() && !ClosesAtOnce(fd.get())) slow.push_back({std::move(fd), tally.counts_});
  }
  fds.clear();
  if (slow.empty()) return;
  tally.counts_->waiting += slow.size();
  if (shared_->waiting_count.fetch_add(slow.size()) == 0) shared_->last_taken_ns = base::MonotonicNanos();
  base::MutexLock lock(shared_->mutex);
  for (Shared::Slow& entry : slow) shared_->waiting.push_back(std::move(entry));
  shared_->changed.notify_all();
}

void FdCloser::Tend() {
  if (shared_->waiting_count == 0 || threads_.size() >= kMaxThreads) return;
  const int64_t now_ns = base::MonotonicNanos();
  if (now_ns - shared_->last_taken_ns < kStandstillNs) return;
  shared_->last_taken_ns = now_ns;
  AddThread().IgnoreError();  // the next call tries again
}

void FdCloser::Run(const std::shared_ptr<Shared>& shared) {
  base::NameThisThread("fd-closer");
  while (true) {
    Shared::Slow entry;
    {
      base::MutexLock lock(shared->mutex);
      auto next = shared->Next();
      while (next == shared->waiting.end()) {
        if (shared->stopping && shared->waiting.empty()) {
          ++shared->done;
          shared->changed.notify_all();
          return;
        }
        shared->changed.wait(shared->mutex);
        next = shared->Next();
      }
      entry = std::move(*next);
      shared->waiting.erase(next);
      ++entry.counts->closing;
    }
    --shared->waiting_count;
    shared->last_taken_ns = base::MonotonicNanos();
    entry.fd.reset();  // outside the lock: this is what may hang
    --entry.counts->waiting;
    base::MutexLock lock(shared->mutex);
    --entry.counts->closing;
    shared->changed.notify_all();
  }
}

}  // namespace shmemd::net
