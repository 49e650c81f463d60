#include "server/net/fd_closer.h"

#include <absl/strings/str_cat.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <string>
#include <utility>
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

// A lock on a file is let go when the file is closed, which another process can see; nothing else tells of
// it.
UniqueFd File() {
  std::string path = testing::TempDir() + "fd-closer-XXXXXX";
  UniqueFd file(mkstemp(path.data()));
  EXPECT_EQ(unlink(path.c_str()), 0);
  return file;
}

TEST(FdCloser, WhatTheKernelClosesByItselfIsClosedAtOnce) {
  std::array<int, 2> pipe{};
  std::array<int, 2> sockets{};
  ASSERT_EQ(pipe2(pipe.data(), O_CLOEXEC), 0);
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets.data()), 0);
  std::vector<UniqueFd> fds;
  for (const int fd : {pipe[0], pipe[1], sockets[0], sockets[1], eventfd(0, EFD_CLOEXEC)})
    fds.emplace_back(fd);
  FdCloser closer;  // without a thread
  const FdCloser::Tally tally;
  closer.Close(fds, tally);
  EXPECT_EQ(tally.waiting(), 0u);
  EXPECT_EQ(fcntl(pipe[0], F_GETFD), -1);
}

TEST(FdCloser, AFileIsClosedByItsThread) {
  UniqueFd file = File();
  // An open file description has one lock however many descriptors; it goes with the last of them.
  const UniqueFd other(open(absl::StrCat("/proc/self/fd/", file.get()).c_str(), O_RDWR | O_CLOEXEC));
  ASSERT_EQ(flock(file.get(), LOCK_EX), 0);
  std::vector<UniqueFd> fds;
  fds.push_back(std::move(file));
  FdCloser closer;
  ASSERT_TRUE(closer.Start().ok());
  closer.Close(fds, {});
  EXPECT_EQ(flock(other.get(), LOCK_EX), 0);  // waits for the close
}

TEST(FdCloser, WhatWaitsIsCountedAndClosedWhenItGoes) {
  std::vector<UniqueFd> fds;
  fds.push_back(File());
  fds.push_back(File());
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
