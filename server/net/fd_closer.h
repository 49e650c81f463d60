// Closes descriptors that peers sent without waiting for whoever is behind them: closing a file of a silent
// FUSE daemon flushes it first, and hangs.
//
// Owned by a loop, used on its thread. Files that live in the kernel's memory are closed at once; all others
// by a thread that is started with the first of them. A descriptor whose close hangs is held open until it
// comes back, and those behind it wait: they count against the limit of open files, no more.
#pragma once

#include <memory>
#include <thread>
#include <vector>

#include "server/base/unique_fd.h"

namespace shmemd::net {

class FdCloser {
 public:
  FdCloser();
  // Waits a second for what is still being closed, then leaves it to itself.
  ~FdCloser();
  FdCloser(const FdCloser&) = delete;
  FdCloser& operator=(const FdCloser&) = delete;

  // Never blocks. The vector is empty afterwards.
  void Close(std::vector<base::UniqueFd>& fds);

 private:
  struct Shared;
  static void Run(const std::shared_ptr<Shared>& shared);

  std::shared_ptr<Shared> shared_;  // outlives us in the thread, should a close hang
  std::thread thread_;
};

}  // namespace shmemd::net
