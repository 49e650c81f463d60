#include "server/net/message_io.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <vector>

#include "server/net/unix_socket.h"

namespace shmemd::net {
namespace {

using base::UniqueFd;

class MessageIoTest : public testing::Test {
 protected:
  MessageIoTest() {
    auto pair = ChannelPair().value();
    ours_ = std::move(pair.first);
    theirs_ = std::move(pair.second);
  }

  UniqueFd ours_;
  UniqueFd theirs_;
  std::vector<UniqueFd> fds_;
  std::vector<uint8_t> space_ = std::vector<uint8_t>(64);
};

TEST_F(MessageIoTest, NothingThereIsWouldBlock) {
  EXPECT_EQ(Receive(ours_.get(), space_, fds_).status, IoStatus::kWouldBlock);
  // Also on a socket that its owner left blocking.
  EXPECT_EQ(Receive(theirs_.get(), space_, fds_).status, IoStatus::kWouldBlock);
}

TEST_F(MessageIoTest, CarriesAsManyDescriptorsAsTheKernelDoes) {
  const std::vector<int> many(kMaxFdsPerMessage, ours_.get());
  const std::vector<uint8_t> bytes{1, 2, 3};
  ASSERT_EQ(Send(theirs_.get(), bytes, many).status, IoStatus::kDone);
  const IoResult io = Receive(ours_.get(), space_, fds_);
  EXPECT_EQ(io.status, IoStatus::kDone);
  EXPECT_EQ(io.bytes, 3u);
  EXPECT_FALSE(io.fds_lost);
  ASSERT_EQ(fds_.size(), kMaxFdsPerMessage);
  EXPECT_EQ(fcntl(fds_[0].get(), F_GETFD), FD_CLOEXEC);
  EXPECT_EQ(Send(theirs_.get(), bytes, std::vector<int>(kMaxFdsPerMessage + 1, ours_.get())).error_number,
            EINVAL);
}

TEST_F(MessageIoTest, TheEndIsClosed) {
  theirs_.reset();
  EXPECT_EQ(Receive(ours_.get(), space_, fds_).status, IoStatus::kClosed);
  EXPECT_EQ(Send(ours_.get(), space_).status, IoStatus::kClosed) << "no SIGPIPE";
}

TEST_F(MessageIoTest, AResetIsClosedToo) {
  ASSERT_EQ(Send(ours_.get(), space_).status, IoStatus::kDone);
  theirs_.reset();  // with unread bytes
  const IoResult io = Receive(ours_.get(), space_, fds_);
  EXPECT_EQ(io.status, IoStatus::kClosed);
  EXPECT_EQ(io.error_number, ECONNRESET);
}

// <sys/socket.h> has it not before glibc 2.39.
constexpr int kPassPidfd = 76;

TEST_F(MessageIoTest, ADescriptorThatASocketOptionBringsIsClosed) {
  const int on = 1;
  if (setsockopt(ours_.get(), SOL_SOCKET, kPassPidfd, &on, sizeof(on)) != 0)
    GTEST_SKIP() << "a kernel before 6.5";
  ASSERT_EQ(Send(theirs_.get(), std::vector<uint8_t>{1, 2, 3}).status, IoStatus::kDone);
  const UniqueFd lowest_before(dup(ours_.get()));
  EXPECT_EQ(Peek(ours_.get(), space_, fds_).bytes, 3u);
  EXPECT_EQ(Receive(ours_.get(), space_, fds_).bytes, 3u);
  EXPECT_TRUE(fds_.empty());
  const UniqueFd lowest_after(dup(ours_.get()));
  EXPECT_EQ(lowest_after.get(), lowest_before.get() + 1);
}

TEST_F(MessageIoTest, AFullSocketIsWouldBlock) {
  const std::vector<uint8_t> block(4096);
  IoResult io = Send(ours_.get(), block);
  while (io.status == IoStatus::kDone) io = Send(ours_.get(), block);
  EXPECT_EQ(io.status, IoStatus::kWouldBlock);
}

TEST_F(MessageIoTest, ABadDescriptorIsAnError) {
  const IoResult io = Receive(-1, space_, fds_);
  EXPECT_EQ(io.status, IoStatus::kError);
  EXPECT_EQ(io.error_number, EBADF);
}

}  // namespace
}  // namespace shmemd::net
