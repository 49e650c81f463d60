#include "client/shmemctl/follow.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <system_error>
#include <thread>
#include <utility>

namespace shmemd::shmemctl {
namespace {

// With `keys` those, too, that leave the terminal to somebody else.
base::UniqueFd BlockedSignals(bool keys) {
  sigset_t signals;
  sigemptyset(&signals);
  for (const int number : {SIGINT, SIGTERM, SIGHUP, SIGWINCH, SIGCONT}) sigaddset(&signals, number);
  for (const int number : {SIGQUIT, SIGTSTP}) {
    if (keys) sigaddset(&signals, number);
  }
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  return base::UniqueFd(signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK));
}

// Who is in the background must leave the terminal alone.
bool InForeground() { return ::isatty(STDIN_FILENO) == 1 && ::tcgetpgrp(STDIN_FILENO) == ::getpgrp(); }

}  // namespace

Follow::Follow(bool keys)
    : signals_(BlockedSignals(keys)),
      news_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      done_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      keys_(keys) {
  GrabKeys();
}

Follow::~Follow() { ReleaseKeys(); }

void Follow::GrabKeys() {
  termios now = {};
  if (!keys_ || !InForeground() || ::tcgetattr(STDIN_FILENO, &now) != 0) return;
  if (!before_) before_ = now;
  now.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO);
  ::tcsetattr(STDIN_FILENO, TCSANOW, &now);
}

void Follow::ReleaseKeys() {
  if (before_ && InForeground()) ::tcsetattr(STDIN_FILENO, TCSANOW, &*before_);
  before_.reset();
}

void Follow::LetHappen(int number) {
  ReleaseKeys();
  sigset_t only;
  sigemptyset(&only);
  sigaddset(&only, number);
  signal(number, SIG_DFL);
  raise(number);
  // All other threads block it: it comes to this one, here.
  pthread_sigmask(SIG_UNBLOCK, &only, nullptr);
  pthread_sigmask(SIG_BLOCK, &only, nullptr);
  GrabKeys();
}

Follow::Wake Follow::ReadSignals() {
  signalfd_siginfo info = {};
  bool resized = false;
  while (::read(signals_.get(), &info, sizeof info) == sizeof info) {
    const int number = static_cast<int>(info.ssi_signo);
    const bool left = number == SIGQUIT || number == SIGTSTP;
    if (left) LetHappen(number);
    if (!left && number != SIGWINCH && number != SIGCONT) return Wake::kEnd;
    // The shell had the terminal meanwhile.
    if (number == SIGCONT) GrabKeys();
    resized = true;
  }
  return resized ? Wake::kResize : Wake::kTimeout;
}

bool Follow::ReadKeys() {
  char key = 0;
  if (!InForeground()) return false;
  if (::read(STDIN_FILENO, &key, 1) != 1) return true;
  return key == 'q' || key == 'Q';
}

Follow::Wake Follow::Poll(std::chrono::milliseconds timeout, int wakes, bool for_keys) {
  // Of standard output only whether its reader is gone, which poll always tells.
  const int input = before_ && for_keys ? STDIN_FILENO : -1;
  std::array<pollfd, 4> entries = {
      {{signals_.get(), POLLIN, 0}, {STDOUT_FILENO, 0, 0}, {input, POLLIN, 0}, {wakes, POLLIN, 0}}};
  const int ready = poll(entries.data(), entries.size(), static_cast<int>(timeout.count()));
  if (ready < 0) return errno == EINTR ? Wake::kTimeout : Wake::kEnd;
  if ((entries[1].revents & (POLLERR | POLLHUP)) != 0) return Wake::kEnd;
  if (entries[0].revents != 0) return ReadSignals();
  if (entries[2].revents != 0) return ReadKeys() ? Wake::kEnd : Wake::kResize;
  if (entries[3].revents == 0) return Wake::kTimeout;
  eventfd_t count = 0;
  eventfd_read(wakes, &count);
  return Wake::kNews;
}

Follow::Wake Follow::Wait(std::chrono::milliseconds timeout) {
  return std::exchange(resized_, false) ? Wake::kResize : Poll(timeout, news_.get(), true);
}

void Follow::Await(const std::function<void()>& work) {
  constexpr std::chrono::milliseconds kLong{60'000};
  std::atomic<bool> done{false};
  std::thread worker;
  try {
    worker = std::thread([this, &work, &done] {
      work();
      done = true;
      eventfd_write(done_.get(), 1);
    });
  } catch (const std::system_error&) {
    // No thread can be had: then whoever ends it waits, too.
    work();
    done = true;
  }
  while (!done) {
    const Wake wake = Poll(kLong, done_.get(), true);
    if (wake == Wake::kEnd) EndAtOnce();
    resized_ = resized_ || wake == Wake::kResize;
  }
  if (worker.joinable()) worker.join();
  eventfd_t count = 0;
  eventfd_read(done_.get(), &count);
  if (EndsWithin(std::chrono::milliseconds(0))) EndAtOnce();
}

bool Follow::EndsWithin(std::chrono::milliseconds time) {
  const Wake wake = Poll(time, -1, false);
  resized_ = resized_ || wake == Wake::kResize;
  return wake == Wake::kEnd;
}

void Follow::EndAtOnce() {
  ReleaseKeys();
  _exit(0);
}

void Follow::Notify() { eventfd_write(news_.get(), 1); }

}  // namespace shmemd::shmemctl
