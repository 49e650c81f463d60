// What a command that goes on waits for: news, the end (Ctrl-C, q on a terminal, whoever reads its output is
// gone), another size of the terminal. Made before any thread is, and after all is read that may have to be
// waited for; used by one thread; Notify may come from any. While it lives keys are neither shown nor
// gathered into lines, where it was asked for keys; whatever stops or ends the program puts the terminal back
// first.
#pragma once

#include <termios.h>

#include <chrono>
#include <functional>
#include <optional>

#include "server/base/unique_fd.h"

namespace shmemd::shmemctl {

class Follow {
 public:
  // From here on SIGINT and SIGTERM end Wait instead of the program. `keys`: the key q does, too.
  explicit Follow(bool keys = false);
  ~Follow();
  Follow(const Follow&) = delete;
  Follow& operator=(const Follow&) = delete;

  // kResize: draw again, for the terminal has another size or somebody pressed a key.
  enum class Wake { kNews, kTimeout, kResize, kEnd };
  Wake Wait(std::chrono::milliseconds timeout);
  // Does `work`, which may wait for those who never answer, on a thread of its own. The end, while it works
  // or just after it, is that of the program; news wait.
  void Await(const std::function<void()>& work);
  // Whether the end comes within that time; news wait.
  bool EndsWithin(std::chrono::milliseconds time);
  // The end of the program, with success: nothing more is written, and nobody waited for.
  [[noreturn]] void EndAtOnce();
  // Wakes Wait, now or the next time.
  void Notify();

 private:
  // `wakes`: which of our events is news now; -1: none.
  Wake Poll(std::chrono::milliseconds timeout, int wakes, bool for_keys);
  // What the signals that came are about.
  Wake ReadSignals();
  // Whether q was pressed, or nobody can press it any more.
  bool ReadKeys();
  void GrabKeys();
  void ReleaseKeys();
  // What the signal does by default, with the terminal as it was. Comes back once we may go on.
  void LetHappen(int number);

  base::UniqueFd signals_;
  base::UniqueFd news_;
  base::UniqueFd done_;            // Await's work is
  bool keys_ = false;              // wanted
  bool resized_ = false;           // and nobody was told
  std::optional<termios> before_;  // how the terminal was before; nullopt: as it is
};

}  // namespace shmemd::shmemctl
