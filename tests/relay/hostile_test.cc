// Peers that stand still, and descriptors that would hold up whoever touches them: others go on.
#include <fcntl.h>
#include <linux/fuse.h>
#include <poll.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <thread>

#include "tests/peers/temporary_directory.h"
#include "tests/relay/relayed_session.h"

namespace shmemd::relay {
namespace {

using testing::Test;
using vhost::Channel;

constexpr uid_t kNobody = 65534;
constexpr rlim_t kFewDescriptors = 128;

// In a process of its own, as a user without privileges whose descriptors are limited: the kernel counts
// those in flight for each user. The body's failures are the child's output; true: it had none.
bool AsNobody(const std::function<void()>& body) {
  const pid_t child = fork();
  if (child == 0) {
    const rlimit limit{kFewDescriptors, kFewDescriptors};
    const bool became = setrlimit(RLIMIT_NOFILE, &limit) == 0 && setgid(kNobody) == 0 && setuid(kNobody) == 0;
    if (became) body();
    std::fflush(nullptr);
    _exit(became && !Test::HasFailure() ? 0 : 1);
  }
  int status = -1;
  return waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

// Messages with a descriptor each, sent by root, who is not counted.
void Flood(int socket, int file) {
  const Bytes message = Message(9, 1, 40);
  while (net::Send(socket, message, std::vector<int>{file}).status == net::IoStatus::kDone) {
  }
}

TEST(StuckPeerTest, WhoeverReadsNothingUsesUpWhatItsUserMaySendUnlessItIsLimited) {
  if (getuid() != 0) GTEST_SKIP() << "needs root to become another user";
  // What the limit is for: without it nothing passes any more.
  const bool fine = AsNobody([] {
    const SocketPair stuck;
    const SocketPair other;
    const base::UniqueFd file = Memfd();
    const Bytes message = Message(9, 1, 40);
    while (net::Send(stuck.ours.get(), message, std::vector<int>{file.get()}).status ==
           net::IoStatus::kDone) {
    }
    const net::IoResult result = net::Send(other.ours.get(), message, std::vector<int>{file.get()});
    EXPECT_EQ(result.status, net::IoStatus::kWouldBlock);
    EXPECT_EQ(result.error_number, ETOOMANYREFS);
  });
  EXPECT_TRUE(fine);
}

class StuckPeer : public testing::TestWithParam<Sender> {};
INSTANTIATE_TEST_SUITE_P(Side, StuckPeer, testing::Values(Sender::kFrontend, Sender::kBackend),
                         [](const auto& side) { return SideName(side.param); });

TEST_P(StuckPeer, OthersPassDescriptorsUndisturbedForAUserWithFewOfThem) {
  if (getuid() != 0) GTEST_SKIP() << "needs root to become another user";
  const Sender sender = GetParam();
  const base::UniqueFd file = Memfd();
  std::array<SocketPair, 2> stuck;
  std::array<SocketPair, 2> other;
  Flood(stuck[static_cast<size_t>(sender)].peer.get(), file.get());
  constexpr int kMessages = 50;
  const Bytes message = Message(9, 1, 40);
  for (int i = 0; i < kMessages; ++i)
    SendAll(other[static_cast<size_t>(sender)].peer.get(), message, {file.get()});
  const bool fine = AsNobody([&] {
    ChannelLoop loop;
    RelayedChannel stuck_channel(loop, std::move(stuck));
    loop.Settle();
    EXPECT_EQ(stuck_channel.state(sender), PumpState::kBlocked);
    RelayedChannel channel(loop, std::move(other));
    for (int i = 0; i < kMessages; ++i) {
      loop.Settle();
      const Read read = ReadExactly(channel.peer(OtherSide(sender)), message.size());
      ASSERT_EQ(read.bytes, message) << i;
      ASSERT_EQ(read.inodes.size(), 1U) << i;
    }
    loop.Settle();
    EXPECT_EQ(loop.loop().Turn(50'000'000), 0U) << "and nobody turns in circles meanwhile";
  });
  EXPECT_TRUE(fine);
}

// A file system with one file, whose daemon answers what it takes to open it and then nothing any more.
class SilentFuse {
 public:
  static constexpr uint64_t kFileInode = 2;

  // Not mounted: see `error_number`.
  SilentFuse() : fuse_(open("/dev/fuse", O_RDWR | O_CLOEXEC)) {
    if (!fuse_.is_open()) {
      error_number_ = errno;
      return;
    }
    const std::string options = "fd=" + std::to_string(fuse_.get()) + ",rootmode=40000,user_id=0,group_id=0";
    if (mount("silent", directory_.path().c_str(), "fuse", MS_NOSUID | MS_NODEV, options.c_str()) != 0) {
      error_number_ = errno;
      return;
    }
    mounted_ = true;
    daemon_ = std::thread([this] { Serve(); });
    file_ = base::UniqueFd(open((directory_.path() + "/file").c_str(), O_RDWR | O_CLOEXEC));
    if (!file_.is_open()) error_number_ = errno;
    silent_ = true;
    daemon_.join();
  }
  ~SilentFuse() {
    LetGo();
    if (mounted_) umount2(directory_.path().c_str(), MNT_DETACH);
  }

  // Ends the connection: whoever waits for the daemon gets an error.
  void LetGo() { fuse_.reset(); }

  int file() const { return file_.get(); }
  int error_number() const { return error_number_; }

 private:
  void Serve() {
    std::vector<char> request(FUSE_MIN_READ_BUFFER + 65536);
    while (!silent_) {
      pollfd wait{fuse_.get(), POLLIN, 0};
      if (poll(&wait, 1, 10) != 1) continue;
      const ssize_t bytes = read(fuse_.get(), request.data(), request.size());
      if (bytes < static_cast<ssize_t>(sizeof(fuse_in_header))) continue;
      fuse_in_header header{};
      std::memcpy(&header, request.data(), sizeof(header));
      Answer(header);
    }
  }

  void Answer(const fuse_in_header& header) {
    switch (header.opcode) {
      case FUSE_INIT: {
        fuse_init_out init{};
        init.major = FUSE_KERNEL_VERSION;
        init.minor = FUSE_KERNEL_MINOR_VERSION;
        init.max_write = 65536;
        return Reply(header, 0, &init, sizeof(init));
      }
      case FUSE_LOOKUP: {
        fuse_entry_out entry{};
        entry.nodeid = kFileInode;
        entry.attr_valid = entry.entry_valid = 3600;
        entry.attr.ino = kFileInode;
        entry.attr.mode = S_IFREG | 0666;
        entry.attr.nlink = 1;
        entry.attr.size = 1 << 20;
        return Reply(header, 0, &entry, sizeof(entry));
      }
      case FUSE_OPEN: {
        const fuse_open_out opened{};
        return Reply(header, 0, &opened, sizeof(opened));
      }
      default:
        return Reply(header, -ENOSYS, nullptr, 0);
    }
  }

  void Reply(const fuse_in_header& header, int error, const void* body, size_t bytes) {
    std::vector<char> reply(sizeof(fuse_out_header) + bytes);
    const fuse_out_header out{static_cast<uint32_t>(reply.size()), error, header.unique};
    std::memcpy(reply.data(), &out, sizeof(out));
    if (bytes > 0) std::memcpy(reply.data() + sizeof(out), body, bytes);
    EXPECT_EQ(write(fuse_.get(), reply.data(), reply.size()), static_cast<ssize_t>(reply.size()));
  }

  const peers::TemporaryDirectory directory_;
  base::UniqueFd fuse_;
  base::UniqueFd file_;
  std::thread daemon_;
  std::atomic<bool> silent_{false};
  bool mounted_ = false;
  int error_number_ = 0;
};

// Received, and not closed before the test lets the daemon go: closing it is what hangs.
struct Held {
  Bytes bytes;
  std::vector<base::UniqueFd> fds;
};
void Receive(int socket, Held& held) {
  held.bytes.resize(100);
  std::vector<base::UniqueFd> fds;
  const net::IoResult result = net::Receive(socket, held.bytes, fds);
  held.bytes.resize(result.status == net::IoStatus::kDone ? result.bytes : 0);
  for (base::UniqueFd& fd : fds) held.fds.push_back(std::move(fd));
}

TEST(SilentFuseTest, ADescriptorOfItsFileStopsNobody) {
  Held held;
  SilentFuse fuse;
  if (fuse.error_number() != 0) GTEST_SKIP() << "no FUSE mount here: " << std::strerror(fuse.error_number());
  // What would become of us.
  std::atomic<bool> came_back = false;
  std::thread closes([&came_back, file = dup(fuse.file())] {
    close(file);
    came_back = true;
  });
  ChannelLoop loop;
  RelayedSession mapping(loop);
  RelayedSession other(loop);
  mapping.OpenBackendChannel();
  other.OpenBackendChannel();
  const Bytes map = Message(9, 9, 40, 0);
  const Bytes mapped = Message(9, 5, 8, 0);
  const base::UniqueFd memfd = Memfd();
  constexpr size_t kMaps = 20;
  for (size_t i = 0; i < kMaps; ++i) {
    SendAll(mapping.peer(Channel::kBackend, Sender::kBackend), map, {fuse.file()});
    SendAll(other.peer(Channel::kBackend, Sender::kBackend), map, {memfd.get()});
    loop.Settle();
    Receive(mapping.peer(Channel::kBackend, Sender::kFrontend), held);
    EXPECT_EQ(held.bytes, map) << i;
    EXPECT_EQ(held.fds.size(), i + 1);
    EXPECT_EQ(ReadExactly(other.peer(Channel::kBackend, Sender::kFrontend), 100).bytes, map) << i;
    for (RelayedSession* session : {&mapping, &other}) {
      SendAll(session->peer(Channel::kBackend, Sender::kFrontend), mapped);
      SendAll(session->peer(Channel::kMain, Sender::kFrontend), Message(1, 1, 0));
    }
    loop.Settle();
    for (RelayedSession* session : {&mapping, &other}) {
      EXPECT_EQ(ReadExactly(session->peer(Channel::kBackend, Sender::kBackend), 100).bytes, mapped) << i;
      EXPECT_EQ(ReadExactly(session->peer(Channel::kMain, Sender::kBackend), 100).bytes, Message(1, 1, 0))
          << i;
    }
  }
  EXPECT_FALSE(came_back) << "the daemon is not as silent as it should be";
  fuse.LetGo();
  closes.join();
}

}  // namespace
}  // namespace shmemd::relay
