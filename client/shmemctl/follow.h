// What a command that goes on waits for: news, Ctrl-C, or the end of whoever reads its output. Made before
// any thread is, used by one thread; Notify may come from any.
#pragma once

#include <chrono>

#include "server/base/unique_fd.h"

namespace shmemd::shmemctl {

class Follow {
 public:
  // From here on SIGINT and SIGTERM end Wait instead of the program.
  Follow();
  Follow(const Follow&) = delete;
  Follow& operator=(const Follow&) = delete;

  enum class Wake { kNews, kTimeout, kEnd };
  Wake Wait(std::chrono::milliseconds timeout);
  // Whether the end comes within that time; news wait.
  bool EndsWithin(std::chrono::milliseconds time);
  // The end of the program, with success: nothing more is written, and nobody waited for.
  [[noreturn]] static void EndAtOnce();
  // Wakes Wait, now or the next time.
  void Notify();

 private:
  Wake Poll(std::chrono::milliseconds timeout, bool for_news);

  base::UniqueFd signals_;
  base::UniqueFd news_;
};

}  // namespace shmemd::shmemctl
