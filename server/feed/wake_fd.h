// An eventfd that one thread sleeps on and others ring.
#pragma once

#include "server/base/unique_fd.h"

namespace shmemd::feed {

class WakeFd {
 public:
  WakeFd();  // aborts where the process has no descriptor left: nothing works without it

  int fd() const { return fd_.get(); }
  // Any thread; never blocks.
  void Ring() const;
  // The sleeping thread: forgets the rings so far.
  void Clear() const;

 private:
  base::UniqueFd fd_;
};

}  // namespace shmemd::feed
