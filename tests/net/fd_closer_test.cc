#include "server/net/fd_closer.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <vector>

namespace shmemd::net {
namespace {

using base::UniqueFd;

TEST(FdCloser, MemoryIsClosedAtOnce) {
  FdCloser closer;
  ASSERT_TRUE(closer.Start().ok());
  std::vector<UniqueFd> fds;
  fds.emplace_back(memfd_create("frames", MFD_CLOEXEC));
  const int number = fds[0].get();
  closer.Close(fds, {});
  EXPECT_TRUE(fds.empty());
  EXPECT_EQ(fcntl(number, F_GETFD), -1);
}

TEST(FdCloser, AnythingElseIsClosedByItsThread) {
  std::array<int, 2> ends{};
  ASSERT_EQ(pipe2(ends.data(), O_CLOEXEC), 0);
  const UniqueFd read_end(ends[0]);
  std::vector<UniqueFd> fds;
  fds.emplace_back(ends[1]);
  FdCloser closer;
  ASSERT_TRUE(closer.Start().ok());
  closer.Close(fds, {});
  pollfd hang_up{read_end.get(), POLLIN, 0};
  ASSERT_EQ(poll(&hang_up, 1, 10'000), 1);
  EXPECT_EQ(hang_up.revents, POLLHUP);
}

TEST(FdCloser, WhatWaitsIsClosedWhenItGoes) {
  std::array<int, 2> ends{};
  ASSERT_EQ(pipe2(ends.data(), O_CLOEXEC), 0);
  const UniqueFd read_end(ends[0]);
  {
    FdCloser closer;
    ASSERT_TRUE(closer.Start().ok());
    std::vector<UniqueFd> fds;
    fds.emplace_back(ends[1]);
    closer.Close(fds, {});
  }
  char byte = 0;
  EXPECT_EQ(read(read_end.get(), &byte, 1), 0);
}

TEST(FdCloser, WhatWaitsIsCounted) {
  std::array<int, 2> ends{};
  ASSERT_EQ(pipe2(ends.data(), O_CLOEXEC), 0);
  std::vector<UniqueFd> fds;
  fds.emplace_back(ends[0]);
  fds.emplace_back(ends[1]);
  fds.emplace_back(memfd_create("frames", MFD_CLOEXEC));
  const FdCloser::Tally tally;
  {
    FdCloser closer;
    closer.Close(fds, tally);
    EXPECT_EQ(tally.waiting(), 2u);
    ASSERT_TRUE(closer.Start().ok());
  }
  EXPECT_EQ(tally.waiting(), 0u);
}

TEST(FdCloser, NoThreadIsAnErrorAndNoCrash) {
  pthread_attr_t usual;
  pthread_attr_t too_large;
  ASSERT_EQ(pthread_getattr_default_np(&usual), 0);
  ASSERT_EQ(pthread_attr_init(&too_large), 0);
  ASSERT_EQ(pthread_attr_setstacksize(&too_large, size_t{1} << 48), 0);
  ASSERT_EQ(pthread_setattr_default_np(&too_large), 0);
  FdCloser closer;
  const absl::Status started = closer.Start();
  ASSERT_EQ(pthread_setattr_default_np(&usual), 0);
  EXPECT_FALSE(started.ok());
  pthread_attr_destroy(&too_large);
  pthread_attr_destroy(&usual);
}

}  // namespace
}  // namespace shmemd::net
