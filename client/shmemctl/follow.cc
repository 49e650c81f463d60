#include "client/shmemctl/follow.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>

namespace shmemd::shmemctl {
namespace {

sigset_t EndingSignals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  return signals;
}

base::UniqueFd BlockedSignals() {
  const sigset_t signals = EndingSignals();
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  return base::UniqueFd(signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK));
}

}  // namespace

Follow::Follow() : signals_(BlockedSignals()), news_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  // A reader that is gone ends the waiting, also when it goes in the middle of a line.
  signal(SIGPIPE, SIG_IGN);
}

Follow::Wake Follow::Poll(std::chrono::milliseconds timeout, bool for_news) {
  // Of standard output only whether its reader is gone, which poll always tells.
  std::array<pollfd, 3> entries = {
      {{signals_.get(), POLLIN, 0}, {STDOUT_FILENO, 0, 0}, {news_.get(), POLLIN, 0}}};
  const int ready = poll(entries.data(), for_news ? 3 : 2, static_cast<int>(timeout.count()));
  if (ready < 0) return errno == EINTR ? Wake::kTimeout : Wake::kEnd;
  if (entries[0].revents != 0 || (entries[1].revents & (POLLERR | POLLHUP)) != 0) return Wake::kEnd;
  if (entries[2].revents == 0) return Wake::kTimeout;
  eventfd_t count = 0;
  eventfd_read(news_.get(), &count);
  return Wake::kNews;
}

Follow::Wake Follow::Wait(std::chrono::milliseconds timeout) { return Poll(timeout, true); }

bool Follow::EndsWithin(std::chrono::milliseconds time) { return Poll(time, false) == Wake::kEnd; }

void Follow::EndAtOnce() { _exit(0); }

void Follow::Notify() { eventfd_write(news_.get(), 1); }

}  // namespace shmemd::shmemctl
