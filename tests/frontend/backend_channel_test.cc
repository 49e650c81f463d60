// The back-end channel byte by byte, on a loop that the test turns itself.
#include "server/frontend/backend_channel.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/memfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "server/net/fd_facts.h"
#include "server/net/message_io.h"
#include "server/net/unix_socket.h"
#include "server/vhost/codec.h"
#include "tests/frontend/sidecar.h"

namespace shmemd::frontend {
namespace {

using base::UniqueFd;
using state::FindingCode;
using testing::IsEmpty;

constexpr uint64_t kPage = 4096;
constexpr uint64_t kMiB = uint64_t{1} << 20;
using Bytes = std::vector<uint8_t>;

UniqueFd Memfd(uint64_t size_bytes) {
  UniqueFd fd(memfd_create("test", MFD_CLOEXEC));
  EXPECT_EQ(ftruncate(fd.get(), static_cast<off_t>(size_bytes)), 0);
  return fd;
}

// A file that does not live in memory alone: closing it is left to a thread.
UniqueFd File() {
  std::string path = testing::TempDir() + "backend-channel-XXXXXX";
  UniqueFd file(mkstemp(path.data()));
  EXPECT_TRUE(file.is_open());
  EXPECT_EQ(unlink(path.c_str()), 0);
  return file;
}

template <typename Array>
Bytes ToBytes(const Array& array) {
  return {array.begin(), array.end()};
}

Bytes Map(uint64_t shm_offset, uint64_t len, uint32_t flags = vhost::kRequestWithAckFlags) {
  return ToBytes(
      vhost::EncodeMMap(vhost::BackendRequest::kShmemMap, flags,
                        {.shmid = 2, .fd_offset = 0, .shm_offset = shm_offset, .len = len, .flags = 1}));
}

Bytes Unmap(uint64_t shm_offset, uint64_t len) {
  return ToBytes(vhost::EncodeMMap(vhost::BackendRequest::kShmemUnmap, vhost::kRequestWithAckFlags,
                                   {.shmid = 2, .shm_offset = shm_offset, .len = len}));
}

Bytes Message(uint32_t id, uint32_t flags, size_t payload_bytes = 0) {
  Bytes message = ToBytes(vhost::EncodeHeader({id, flags, static_cast<uint32_t>(payload_bytes)}));
  message.resize(message.size() + payload_bytes);
  return message;
}

Bytes Ack(uint32_t id, int error_number) {
  return ToBytes(vhost::EncodeAck(static_cast<vhost::BackendRequest>(id),
                                  error_number == 0 ? vhost::kAckOk : vhost::AckErrno(error_number)));
}

class BackendChannelTest : public testing::Test, protected BackendChannel::Observer {
 protected:
  explicit BackendChannelTest(bool reply_ack = true, bool closing = true)
      : loop_(net::EventLoop::Create().value()),
        queue_(1 << 16),
        publisher_(queue_, 1, kPage),
        backend_(publisher_.Attach({.id = "gpu0", .backend_socket = "/x"})),
        budget_(ReadMappingBudget(limits_)),
        windows_(limits_, budget_, kPage) {
    if (closing) {
      EXPECT_TRUE(closer_.Start().ok());
    }
    publisher_.Publish(backend_, state::Connected{});
    publisher_.Publish(backend_, state::RegionReported{.size_bytes = kMiB, .shmid = 2});
    auto pair = net::ChannelPair().value();
    peer_ = std::move(pair.second);
    channel_ = std::make_unique<BackendChannel>(*loop_, closer_, std::move(pair.first), publisher_, backend_,
                                                windows_, static_cast<BackendChannel::Observer&>(*this));
    channel_->Start(reply_ack);
  }

  void OnChannelEnded(const state::Cause& cause) override {
    ended_ = cause;
    channel_.reset();
  }

  void Send(const Bytes& bytes, const std::vector<int>& fds = {}) {
    const net::IoResult io = net::Send(peer_.get(), bytes, fds);
    ASSERT_EQ(io.status, net::IoStatus::kDone);
    ASSERT_EQ(io.bytes, bytes.size());
  }
  // Until nothing is left to do.
  void Turn() {
    while (loop_->Turn(0) > 0) {
    }
  }
  Bytes ReadAll() {
    Bytes all;
    Bytes part(4096);
    std::vector<UniqueFd> fds;
    for (net::IoResult io = net::Receive(peer_.get(), part, fds); io.status == net::IoStatus::kDone;
         io = net::Receive(peer_.get(), part, fds)) {
      all.insert(all.end(), part.begin(), part.begin() + static_cast<std::ptrdiff_t>(io.bytes));
    }
    return all;
  }
  const state::Backend& model() const { return *publisher_.Find(backend_); }
  uint64_t mapped_bytes() const { return model().Totals().mapped_bytes; }
  bool Has(FindingCode code) const { return HasFinding(model(), code); }

  FdBalance balance_;
  net::FdCloser closer_;
  std::unique_ptr<net::EventLoop> loop_;
  feed::UpdateQueue queue_;
  feed::Publisher publisher_;
  state::BackendHandle backend_;
  Limits limits_;
  MappingBudget budget_;
  BackendWindows windows_;
  UniqueFd peer_;
  std::unique_ptr<BackendChannel> channel_;
  std::optional<state::Cause> ended_;
};

class WithoutReplyAck : public BackendChannelTest {
 protected:
  WithoutReplyAck() : BackendChannelTest(false) {}
};

// As if the first close of all hung.
class WithoutClosing : public BackendChannelTest {
 protected:
  WithoutClosing() : BackendChannelTest(true, false) {}
};

TEST_F(BackendChannelTest, GoldenMapAndUnmap) {
  const UniqueFd file = Memfd(16 * kPage);
  Send({0x09, 0, 0, 0, 0x09, 0, 0, 0, 0x28, 0, 0, 0,    0x02, 0, 0, 0, 0, 0, 0,    0, 0, 0x20, 0, 0, 0, 0,
        0,    0, 0, 0, 0x01, 0, 0, 0, 0,    0, 0, 0x80, 0,    0, 0, 0, 0, 0, 0x01, 0, 0, 0,    0, 0, 0, 0},
       {file.get()});
  Turn();
  EXPECT_EQ(ReadAll(), Bytes({0x09, 0, 0, 0, 0x05, 0, 0, 0, 0x08, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}));
  EXPECT_EQ(mapped_bytes(), 0x8000u);
  EXPECT_EQ(model().FindRegion(2)->table.Find(0x10000)->fd_offset, 0x2000u);
  EXPECT_EQ(model().FindRegion(2)->table.Find(0x10000)->fd.kind, base::FdKind::kMemfd);

  Send({0x0a, 0, 0, 0, 0x09, 0, 0, 0, 0x28, 0, 0, 0,    0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
        0,    0, 0, 0, 0x01, 0, 0, 0, 0,    0, 0, 0x80, 0,    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0});
  Turn();
  EXPECT_EQ(ReadAll(), Bytes({0x0a, 0, 0, 0, 0x05, 0, 0, 0, 0x08, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}));
  EXPECT_EQ(mapped_bytes(), 0u);
}

TEST_F(BackendChannelTest, AMapTornAtAnyByteIsOneMap) {
  const UniqueFd file = Memfd(kPage);
  const Bytes map = Map(0, kPage);
  for (size_t cut = 1; cut < map.size(); ++cut) {
    Send(Bytes(map.begin(), map.begin() + static_cast<std::ptrdiff_t>(cut)), {file.get()});
    Turn();
    EXPECT_THAT(ReadAll(), IsEmpty());
    Send(Bytes(map.begin() + static_cast<std::ptrdiff_t>(cut), map.end()));
    Turn();
    EXPECT_EQ(ReadAll(), Ack(9, 0)) << cut;
    Send(ToBytes(vhost::EncodeMMap(vhost::BackendRequest::kShmemUnmap, vhost::kRequestWithAckFlags,
                                   {.shmid = 2, .len = kPage})));
    Turn();
    EXPECT_EQ(ReadAll(), Ack(10, 0)) << cut;
  }
}

TEST_F(BackendChannelTest, ADescriptorOnALaterByteIsNone) {
  const UniqueFd file = Memfd(kPage);
  const Bytes map = Map(0, kPage);
  Send(Bytes(map.begin(), map.begin() + 12));
  Turn();
  Send(Bytes(map.begin() + 12, map.end()), {file.get()});
  Turn();
  EXPECT_EQ(ReadAll(), Ack(9, EINVAL));
  EXPECT_TRUE(Has(FindingCode::kMapNoFd));
  EXPECT_EQ(mapped_bytes(), 0u);
}

TEST_F(BackendChannelTest, WhatIsNotAskedForIsNotAnswered) {
  const UniqueFd file = Memfd(kPage);
  Send(Map(0, kPage, vhost::kRequestFlags), {file.get()});
  Send(Map(0, kPage, vhost::kRequestFlags), {file.get()});
  Turn();
  EXPECT_THAT(ReadAll(), IsEmpty());
  EXPECT_EQ(mapped_bytes(), kPage);
  EXPECT_TRUE(Has(FindingCode::kMapOverlap));
  EXPECT_EQ(model().FindRegion(2)->table.totals().assumed_bytes, kPage);
}

TEST_F(WithoutReplyAck, NeedReplyMeansNothing) {
  const UniqueFd file = Memfd(kPage);
  Send(Map(0, kPage), {file.get()});
  Turn();
  EXPECT_THAT(ReadAll(), IsEmpty());
  EXPECT_EQ(model().FindRegion(2)->table.totals().assumed_bytes, kPage);
}

TEST_F(BackendChannelTest, UnknownRequestsAreRefusedAndTheChannelGoesOn) {
  const UniqueFd file = Memfd(kPage);
  Send(Message(4711, vhost::kRequestWithAckFlags, 100), {file.get(), file.get()});
  Send(Message(4711, vhost::kRequestFlags));
  Turn();
  EXPECT_EQ(ReadAll(), Ack(4711, EINVAL));
  EXPECT_TRUE(Has(FindingCode::kMessageUnknown));
  // SHARED_OBJECT_LOOKUP is always answered, asked for or not.
  Send(Message(8, vhost::kRequestFlags, 16));
  Turn();
  EXPECT_EQ(ReadAll(), Ack(8, EINVAL));
  Send(Message(2, vhost::kRequestWithAckFlags));
  Turn();
  EXPECT_EQ(ReadAll(), Ack(2, 0)) << "a notice of a changed configuration is fine";
  Send(Map(0, kPage), {file.get()});
  Turn();
  EXPECT_EQ(ReadAll(), Ack(9, 0));
}

TEST_F(BackendChannelTest, RepliesToNothingAndOddFlagsAreNoted) {
  const UniqueFd file = Memfd(kPage);
  Send(Message(9, vhost::kReplyFlags, 8));
  Turn();
  EXPECT_THAT(ReadAll(), IsEmpty());
  EXPECT_TRUE(Has(FindingCode::kHeaderOdd));
  Send(Map(0, kPage, 0x18), {file.get()});
  Turn();
  EXPECT_EQ(ReadAll(), Ack(9, 0)) << "version 0 and a reserved bit: served all the same";
}

TEST_F(BackendChannelTest, WhoTakesNoAnswersIsNotAskedForMore) {
  const Bytes notice = Message(2, vhost::kRequestWithAckFlags);
  size_t sent = 0;
  // The peer sends without ever reading, until nothing more fits.
  for (int idle = 0; idle < 2;) {
    const net::IoResult io = net::Send(peer_.get(), notice);
    if (io.status == net::IoStatus::kDone) {
      ASSERT_EQ(io.bytes, notice.size());
      ++sent;
      continue;
    }
    ASSERT_EQ(io.status, net::IoStatus::kWouldBlock);
    ++idle;
    Turn();
  }
  size_t answers = 0;
  for (int round = 0; answers < sent && round < 10'000; ++round) {
    answers += ReadAll().size() / Ack(2, 0).size();
    loop_->Turn(100'000'000);
  }
  EXPECT_EQ(answers, sent);
}

TEST_F(BackendChannelTest, EndsAreTold) {
  peer_.reset();
  Turn();
  ASSERT_TRUE(ended_.has_value());
  EXPECT_EQ(*ended_,
            (state::Cause{.reason = state::StateReason::kClosedByBackend, .on_backend_channel = true}));
}

TEST_F(BackendChannelTest, AnEndInTheMiddleOfAMessageIsToldAsThat) {
  const UniqueFd file = Memfd(kPage);
  Send({9, 0, 0}, {file.get()});
  peer_.reset();
  Turn();
  ASSERT_TRUE(ended_.has_value());
  EXPECT_EQ(ended_->reason, state::StateReason::kClosedMidMessage);
}

TEST_F(BackendChannelTest, ATooLargeMessageEndsItBeforeAnythingIsAllocated) {
  const UniqueFd file = Memfd(kPage);
  Send(ToBytes(vhost::EncodeHeader({9, 1, 0xffffffff})), {file.get()});
  Turn();
  ASSERT_TRUE(ended_.has_value());
  EXPECT_EQ(*ended_, (state::Cause{.reason = state::StateReason::kMessageTooLarge,
                                   .aspect = state::WireAspect::kPayloadBytes,
                                   .on_backend_channel = true,
                                   .message_id = 9,
                                   .expected = 4096,
                                   .got = 0xffffffff}));
}

TEST_F(BackendChannelTest, HugePagesAreMappedAndUnmappedAtTheEndOfARegion) {
  const UniqueFd huge(memfd_create("huge", MFD_CLOEXEC | MFD_HUGETLB | MFD_HUGE_2MB));
  if (!huge.is_open()) GTEST_SKIP() << "no memfd of huge pages here: " << std::strerror(errno);
  publisher_.Publish(backend_, state::RegionReported{.size_bytes = 2 * kMiB + kPage, .shmid = 2});
  Send(Map(2 * kMiB, kPage), {huge.get()});
  Turn();
  EXPECT_EQ(ReadAll(), Ack(9, 0));
  EXPECT_EQ(mapped_bytes(), kPage);
  EXPECT_EQ(model().FindRegion(2)->table.Find(2 * kMiB)->fd.kind, base::FdKind::kHugetlb);
  Send(Unmap(2 * kMiB, kPage));
  Turn();
  EXPECT_EQ(ReadAll(), Ack(10, 0));
  EXPECT_EQ(mapped_bytes(), 0u);
}

TEST_F(BackendChannelTest, PlainFilesAreMappedAndUnmapped) {
  std::string path = testing::TempDir() + "channel-XXXXXX";
  const UniqueFd file(mkostemp(path.data(), O_CLOEXEC));
  ASSERT_TRUE(file.is_open());
  ASSERT_EQ(ftruncate(file.get(), kPage), 0);
  Send(Map(0, kPage), {file.get()});
  Turn();
  EXPECT_EQ(ReadAll(), Ack(9, 0));
  EXPECT_EQ(model().FindRegion(2)->table.Find(0)->state, state::MappingState::kMapped);
  Send(Unmap(0, kPage));
  Turn();
  EXPECT_EQ(ReadAll(), Ack(10, 0));
  EXPECT_EQ(mapped_bytes(), 0u);
  unlink(path.c_str());
}

TEST_F(BackendChannelTest, TwoHundredDescriptorsOnOneMapAreAllClosed) {
  const UniqueFd file = Memfd(kPage);
  const size_t before = OpenFdCount();
  Send(Map(0, kPage), std::vector<int>(200, file.get()));
  Turn();
  EXPECT_EQ(ReadAll(), Ack(9, EINVAL));
  EXPECT_TRUE(Has(FindingCode::kMapExtraFds));
  EXPECT_EQ(OpenFdCount(), before);
}

int MapInto(MappingWindow& window, const UniqueFd& fd, uint64_t fd_offset, uint64_t shm_offset, uint64_t len,
            bool writable) {
  return window.Map(fd.get(), net::ReadFdFacts(fd.get()), fd_offset, shm_offset, len, writable);
}

TEST(MappingWindow, MapsSharedAndLeavesTheRestWithoutAccess) {
  const FdBalance balance;
  UniqueFd file = Memfd(2 * kPage);
  ASSERT_EQ(pwrite(file.get(), "x", 1, kPage), 1);
  MappingWindow window = MappingWindow::Reserve(kMiB, kPage).value();
  EXPECT_EQ(MapInto(window, file, kPage, 4 * kPage, kPage, true), 0);
  EXPECT_EQ(MapInto(window, file, 0, kMiB, kPage, true), EINVAL) << "behind the end";
  EXPECT_EQ(MapInto(window, file, 0, kMiB - kPage, 2 * kPage, true), EINVAL) << "across the end";
  EXPECT_EQ(MapInto(window, file, 0, 1, kPage, true), EINVAL) << "unaligned";
  EXPECT_EQ(MapInto(window, file, ~uint64_t{0} - 4095, 0, kPage, true), EINVAL) << "no file is that long";
  EXPECT_EQ(window.Unmap(4 * kPage, kPage), 0);
  EXPECT_EQ(window.Unmap(0, 2 * kMiB), EINVAL);
  const UniqueFd read_only(
      open(("/proc/self/fd/" + std::to_string(file.get())).c_str(), O_RDONLY | O_CLOEXEC));
  EXPECT_EQ(MapInto(window, read_only, 0, 0, kPage, true), EACCES);
  EXPECT_EQ(MapInto(window, read_only, 0, 0, kPage, false), 0);
}

bool IsMapped(const std::string& name) {
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) {
    if (line.find(name) != std::string::npos) return true;
  }
  return false;
}

TEST(MappingWindow, HugePagesReachNowhereBehindTheWindow) {
  const FdBalance balance;
  const UniqueFd huge(memfd_create("window-huge", MFD_CLOEXEC | MFD_HUGETLB | MFD_HUGE_2MB));
  if (!huge.is_open()) GTEST_SKIP() << "no memfd of huge pages here: " << std::strerror(errno);
  MappingWindow window = MappingWindow::Reserve(2 * kMiB + kPage, kPage).value();
  EXPECT_EQ(MapInto(window, huge, 0, 2 * kMiB, kPage, true), 0);
  EXPECT_FALSE(IsMapped("window-huge")) << "a huge page at the end of the window would reach beyond it";
  EXPECT_EQ(window.Unmap(2 * kMiB, kPage), 0);
  EXPECT_EQ(MapInto(window, huge, kPage, 0, kPage, true), EINVAL) << "not on a huge page of the file";
  EXPECT_EQ(MapInto(window, huge, 0, kPage, kPage, true), EINVAL) << "not on a huge page of the window";
}

TEST(MappingWindow, FilesThatMayWaitAreCheckedAndNotMapped) {
  const FdBalance balance;
  std::string path = testing::TempDir() + "window-XXXXXX";
  const UniqueFd file(mkostemp(path.data(), O_CLOEXEC));
  ASSERT_TRUE(file.is_open());
  const UniqueFd write_only(open(path.c_str(), O_WRONLY | O_CLOEXEC));
  const UniqueFd read_only(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  const UniqueFd directory(open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  MappingWindow window = MappingWindow::Reserve(kMiB, kPage).value();
  EXPECT_EQ(MapInto(window, file, 0, 0, kPage, true), 0);
  EXPECT_FALSE(IsMapped(path));
  EXPECT_EQ(window.Unmap(0, kPage), 0);
  EXPECT_EQ(MapInto(window, read_only, 0, 0, kPage, false), 0);
  EXPECT_EQ(MapInto(window, read_only, 0, 0, kPage, true), EACCES);
  EXPECT_EQ(MapInto(window, write_only, 0, 0, kPage, false), EACCES);
  EXPECT_EQ(MapInto(window, directory, 0, 0, kPage, false), ENODEV);
  unlink(path.c_str());
}

TEST_F(WithoutClosing, WhoseDescriptorsWaitToBeClosedIsNotAskedForMore) {
  const UniqueFd file = File();
  const size_t before = OpenFdCount();
  for (int i = 0; i < 4; ++i) Send(Map(0, kPage), std::vector<int>(100, file.get()));
  Turn();
  EXPECT_EQ(ReadAll(), Ack(9, EINVAL)) << "the others wait in the socket";
  EXPECT_EQ(OpenFdCount(), before + 100);
  ASSERT_TRUE(closer_.Start().ok());
  Bytes answers;
  for (int round = 0; answers.size() < 3 * Ack(9, 0).size() && round < 1000; ++round) {
    loop_->Turn(100'000'000);
    const Bytes more = ReadAll();
    answers.insert(answers.end(), more.begin(), more.end());
  }
  EXPECT_EQ(answers.size(), 3 * Ack(9, 0).size());
}

TEST(MappingWindow, SizesThatCannotBeAreErrors) {
  EXPECT_FALSE(MappingWindow::Reserve(0, kPage).ok());
  EXPECT_FALSE(MappingWindow::Reserve(~uint64_t{0}, kPage).ok());
  EXPECT_FALSE(MappingWindow::Reserve(uint64_t{1} << 62, kPage).ok());
}

TEST(BackendWindows, AddressSpaceIsBoundedForABackendAndForAll) {
  const FdBalance balance;
  const UniqueFd file = Memfd(kPage);
  Limits limits;
  limits.max_window_bytes = kMiB;
  limits.max_backend_windows = 2;
  limits.max_total_windows = 3;
  MappingBudget budget = ReadMappingBudget(limits);
  BackendWindows first(limits, budget, kPage);
  BackendWindows second(limits, budget, kPage);
  const auto map = [&](BackendWindows& windows, uint8_t shmid, uint64_t region_size) {
    state::MapRequest request;
    request.len = kPage;
    request.shmid = shmid;
    request.fd = net::ReadFdFacts(file.get());
    return windows.Map(request, region_size, file.get()).failure;
  };
  EXPECT_EQ(map(first, 0, kMiB), state::RequestFailure::kNone);
  EXPECT_EQ(map(first, 1, kMiB), state::RequestFailure::kNone);
  EXPECT_EQ(map(first, 2, kMiB), state::RequestFailure::kNoResources) << "its own share is used up";
  EXPECT_EQ(map(second, 0, kMiB), state::RequestFailure::kNone);
  EXPECT_EQ(map(second, 1, kMiB), state::RequestFailure::kNoResources) << "everybody's share is used up";
  EXPECT_EQ(map(second, 2, 2 * kMiB), state::RequestFailure::kWindowTooLarge);
  Limits unlimited;
  unlimited.max_window_bytes = ~uint64_t{0};
  MappingBudget all = ReadMappingBudget(unlimited);
  EXPECT_EQ(all.max_window_bytes, ~uint64_t{0});
  BackendWindows any(unlimited, all, kPage);
  EXPECT_EQ(map(any, 0, kMiB), state::RequestFailure::kNone) << "no limit is not a limit of nothing";
  first.Clear();
  EXPECT_EQ(map(second, 1, kMiB), state::RequestFailure::kNone);
  EXPECT_EQ(budget.mappings, 2u);
}

}  // namespace
}  // namespace shmemd::frontend
