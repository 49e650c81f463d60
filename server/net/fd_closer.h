// Closes descriptors that peers sent without waiting for whoever is behind them: closing a file of a silent
// FUSE daemon flushes it first, and hangs.
//
// Owned by a loop, used on its thread. What the kernel closes by itself is closed at once; files and devices
// by threads. A descriptor whose close hangs is held open until it comes back and takes one of a few threads
// with it; the others go on, and no source can take all of them. Who takes descriptors from a peer counts
// what waits, and takes no more while it is much.
#pragma once

#include <absl/status/status.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <thread>
#include <vector>

#include "server/base/unique_fd.h"

namespace shmemd::net {

class FdCloser {
 public:
  // The most closes that may hang at a time; those behind them wait.
  static constexpr size_t kMaxThreads = 16;
  // And of one source.
  static constexpr size_t kMaxThreadsOfOne = 4;

  // Counts those descriptors of one source that wait to be closed. Owned by the source, for any closer; a
  // copy counts the same.
  class Tally {
   public:
    size_t waiting() const { return counts_->waiting; }

   private:
    friend class FdCloser;
    struct Counts {
      std::atomic<size_t> waiting = 0;
      std::atomic<size_t> closing = 0;  // of them, by a thread just now
    };
    std::shared_ptr<Counts> counts_ = std::make_shared<Counts>();
  };

  FdCloser();
  // Waits a second for what is still being closed, then leaves it to itself.
  ~FdCloser();
  FdCloser(const FdCloser&) = delete;
  FdCloser& operator=(const FdCloser&) = delete;

  // Starts the first thread, once; what comes before waits for it. An error when the system gives no thread.
  absl::Status Start();

  // Never blocks. The vector is empty afterwards; `tally` counts what had to wait.
  void Close(std::vector<base::UniqueFd>& fds, const Tally& tally);

  // Once in a while, at least once a second while anything waits: starts another thread if the ones there are
  // have not come on for a tenth of a second.
  void Tend();

 private:
  struct Shared;
  static void Run(const std::shared_ptr<Shared>& shared);
  absl::Status AddThread();

  std::shared_ptr<Shared> shared_;  // outlives us in the threads, should a close hang
  std::vector<std::thread> threads_;
};

}  // namespace shmemd::net
