#include "server/net/fd_facts.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <string>

#include "server/base/unique_fd.h"
#include "tests/peers/temporary_directory.h"

namespace shmemd::net {
namespace {

using base::FdAccess;
using base::FdFacts;
using base::FdKind;
using base::UniqueFd;

TEST(FdFacts, OfASealedMemfd) {
  const UniqueFd fd(memfd_create("frames", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  ASSERT_EQ(ftruncate(fd.get(), 0x5000), 0);
  ASSERT_EQ(fcntl(fd.get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW), 0);
  const FdFacts facts = ReadFdFacts(fd.get());
  struct stat status {};
  ASSERT_EQ(fstat(fd.get(), &status), 0);
  EXPECT_EQ(facts.kind, FdKind::kMemfd);
  EXPECT_EQ(facts.device, status.st_dev);
  EXPECT_EQ(facts.inode, status.st_ino);
  EXPECT_EQ(facts.size_bytes, 0x5000);
  EXPECT_TRUE(facts.seals_known);
  EXPECT_EQ(facts.seals, uint32_t{F_SEAL_SHRINK | F_SEAL_GROW});
  EXPECT_EQ(facts.access, FdAccess::kReadWrite);
}

TEST(FdFacts, TwoDescriptorsOfOneFileAgree) {
  const UniqueFd first(memfd_create("frames", MFD_CLOEXEC));
  const UniqueFd second(dup(first.get()));
  EXPECT_EQ(ReadFdFacts(first.get()), ReadFdFacts(second.get()));
}

TEST(FdFacts, OfFilesByAccessMode) {
  const peers::TemporaryDirectory directory;
  const std::string path = directory.path() + "/file";
  const UniqueFd write_only(open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
  ASSERT_EQ(write(write_only.get(), "abc", 3), 3);
  const UniqueFd read_only(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  const UniqueFd path_only(open(path.c_str(), O_PATH | O_CLOEXEC));
  EXPECT_EQ(ReadFdFacts(write_only.get()).access, FdAccess::kWriteOnly);
  EXPECT_EQ(ReadFdFacts(read_only.get()).access, FdAccess::kReadOnly);
  EXPECT_EQ(ReadFdFacts(path_only.get()).access, FdAccess::kUnknown);
  EXPECT_EQ(ReadFdFacts(read_only.get()).kind, FdKind::kFile);
  EXPECT_EQ(ReadFdFacts(read_only.get()).size_bytes, 3);
}

TEST(FdFacts, OfThingsThatAreNoFiles) {
  std::array<int, 2> ends{};
  ASSERT_EQ(pipe2(ends.data(), O_CLOEXEC), 0);
  const UniqueFd read_end(ends[0]);
  const UniqueFd write_end(ends[1]);
  EXPECT_EQ(ReadFdFacts(read_end.get()).kind, FdKind::kOther);
  EXPECT_EQ(ReadFdFacts(read_end.get()).size_bytes, -1);
  EXPECT_FALSE(ReadFdFacts(read_end.get()).seals_known);
  const UniqueFd device(open("/dev/null", O_RDWR | O_CLOEXEC));
  EXPECT_EQ(ReadFdFacts(device.get()).kind, FdKind::kDevice);
}

TEST(FdFacts, OfNothing) { EXPECT_EQ(ReadFdFacts(-1), FdFacts{}); }

}  // namespace
}  // namespace shmemd::net
