// What a demo VMM says, byte by byte, to a back-end that the test plays.
#include <gmock/gmock.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <future>
#include <map>
#include <memory>

#include "tests/peers/frontend_thread.h"
#include "tests/peers/peers_fixture.h"
#include "tests/peers/raw_backend.h"
#include "tests/peers/temporary_directory.h"
#include "tests/peers/vmm_misbehaviour.h"

namespace shmemd::peers {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;
using Kind = VmmStep::Kind;

// shmid 0, one page at 0x1000, read-write.
constexpr char kMap[] =
    "09000000 09000000 28000000 00000000 00000000 00000000 00000000 00100000 00000000 00100000 00000000 "
    "01000000 00000000";
constexpr char kUnmap[] =
    "0a000000 09000000 28000000 00000000 00000000 00000000 00000000 00100000 00000000 00100000 00000000 "
    "00000000 00000000";
constexpr char kMapped[] = "09000000 05000000 08000000 00000000 00000000";
constexpr char kUnmapped[] = "0a000000 05000000 08000000 00000000 00000000";

Fd Memfd(off_t size_bytes) {
  Fd file(::memfd_create("backing", MFD_CLOEXEC));
  EXPECT_EQ(::ftruncate(file.get(), size_bytes), 0);
  return file;
}

class VmmTest : public PeersTest {
 protected:
  VmmTest() : backend_(std::make_unique<RawBackend>(directory_->path() + "/b.sock")) {}
  void TearDown() override {
    vmm_.reset();
    backend_.reset();
    PeersTest::TearDown();
  }

  void Start(VmmScript script) {
    vmm_ = std::make_unique<FrontendThread>(std::move(script), directory_->path() + "/b.sock");
    ASSERT_TRUE(backend_->Accept());
  }
  RawChannel& main() { return backend_->main(); }
  RawChannel& channel() { return backend_->backend(); }
  FrontendThread& vmm() { return *vmm_; }
  RawBackend& backend() { return *backend_; }

  // The next message has these bytes and so many descriptors; `answer` is said if there is one.
  void Expect(std::string_view hex, size_t fd_count = 0, std::string_view answer = "") {
    std::vector<Fd> fds;
    EXPECT_EQ(main().ReceiveMessage(&fds), hex);
    EXPECT_EQ(fds.size(), fd_count) << hex;
    if (!answer.empty()) main().Send(answer);
  }
  // The next message begins so; its ack is said.
  void ExpectAcknowledged(const std::string& id, size_t fd_count) {
    std::vector<Fd> fds;
    EXPECT_EQ(main().ReceiveMessage(&fds).substr(0, 17), id + " 09000000");
    EXPECT_EQ(fds.size(), fd_count) << id;
    main().Send(id + " 05000000 08000000 00000000 00000000");
  }

  // MQ, REPLY_ACK, BACKEND_REQ, SEND_FD, SHMEM and `more`; one region of 64 KiB.
  void TakeHandshake(const std::string& offered = "29044000 00000000") {
    Expect("01000000 01000000 00000000", 0, "01000000 05000000 08000000 00000040 01000000");
    Expect("0f000000 01000000 00000000", 0, "0f000000 05000000 08000000 " + offered);
    Expect("10000000 01000000 08000000 " + offered);
    Expect("11000000 01000000 00000000", 0, "11000000 05000000 08000000 02000000 00000000");
    EXPECT_EQ(backend_->TakeBackendChannel(), "15000000 09000000 00000000");
    main().Send("15000000 05000000 08000000 00000000 00000000");
    Expect("03000000 01000000 00000000");
    Expect("01000000 01000000 00000000", 0, "01000000 05000000 08000000 00000040 01000000");
    for (int vring = 0; vring < 2; ++vring) {
      ExpectAcknowledged("0d000000", 1);
      ExpectAcknowledged("0e000000", 1);
    }
    Expect("2c000000 01000000 00000000");
    main().SendBytes(FromHex("2c000000 05000000 08080000 01000000 00000000 00000100 00000000") +
                     std::string(2040, '\0'));
  }

  void TakeVringSetUp(const std::string& vring) {
    Expect("08000000 01000000 08000000 " + vring + " 40000000");
    Expect("0a000000 01000000 08000000 " + vring + " 00000000");
    EXPECT_THAT(main().ReceiveMessage(), testing::StartsWith("09000000 01000000 28000000 " + vring));
    ExpectAcknowledged("0c000000", 1);
    ExpectAcknowledged("0d000000", 1);
  }

  void TakeStart(size_t table_regions) {
    Expect("02000000 01000000 08000000 00000040 01000000");
    ExpectAcknowledged("05000000", table_regions);
    TakeVringSetUp("00000000");
    TakeVringSetUp("01000000");
    for (int i = 0; i < 2; ++i) ExpectAcknowledged("12000000", 0);
    for (int i = 0; i < 2; ++i) ExpectAcknowledged("0d000000", 1);
  }

  void TakeStop() {
    for (int i = 0; i < 2; ++i) ExpectAcknowledged("12000000", 0);
    Expect("0b000000 01000000 08000000 00000000 00000000", 0, "0b000000 05000000 08000000 00000000 00000000");
    Expect("0b000000 01000000 08000000 01000000 00000000", 0, "0b000000 05000000 08000000 01000000 00000000");
  }

  void StartDevice(VmmScript script = DefaultVmmScript()) {
    Start(std::move(script));
    TakeHandshake();
    TakeStart(1);
    ASSERT_TRUE(vmm().transcript().WaitFor("script done"));
  }

 private:
  const std::unique_ptr<TemporaryDirectory> directory_ = std::make_unique<TemporaryDirectory>();
  std::unique_ptr<RawBackend> backend_;
  std::unique_ptr<FrontendThread> vmm_;
};

TEST_F(VmmTest, ShakesHandsAndStartsInTheOrderOfQemu) {
  StartDevice();
  EXPECT_TRUE(main().IsQuiet());
  EXPECT_EQ(vmm().transcript().unexpected_count(), 0U);
  EXPECT_THAT(vmm().transcript().lines(), Contains("GET_SHMEM_CONFIG -> num_regions 1, 0: 0x10000"));
}

TEST_F(VmmTest, AnswersAMapFirstAndShowsItInTheMemoryTableThen) {
  StartDevice();
  const Fd file = Memfd(4096);
  channel().Send(kMap, {file.get()});
  EXPECT_EQ(channel().ReceiveMessage(), kMapped);
  std::vector<Fd> fds;
  EXPECT_THAT(main().ReceiveMessage(&fds), testing::StartsWith("05000000 09000000 48000000 02000000"));
  ASSERT_THAT(fds, SizeIs(2));
  EXPECT_EQ(FileIdOf(fds[1].get()), FileIdOf(file.get()));
  main().Send("05000000 05000000 08000000 00000000 00000000");

  ASSERT_THAT(vmm().mappings(), SizeIs(1));
  EXPECT_EQ(vmm().mappings()[0].shm_offset, 0x1000U);
  EXPECT_EQ(FileId(vmm().mappings()[0].device, vmm().mappings()[0].inode), FileIdOf(file.get()));
  channel().Send(kUnmap);
  EXPECT_EQ(channel().ReceiveMessage(), kUnmapped);
  ExpectAcknowledged("05000000", 1);
  EXPECT_THAT(vmm().mappings(), IsEmpty());
}

TEST_F(VmmTest, WithMemorySlotsAMapIsOneMoreRegionAndAnUnmapOneLess) {
  VmmScript script = DefaultVmmScript();
  script.echo = MemoryEcho::kSlots;
  Start(script);
  TakeHandshake();
  Expect("02000000 01000000 08000000 00000040 01000000");
  ExpectAcknowledged("25000000", 1);
  TakeVringSetUp("00000000");
  TakeVringSetUp("01000000");
  for (int i = 0; i < 2; ++i) ExpectAcknowledged("12000000", 0);
  for (int i = 0; i < 2; ++i) ExpectAcknowledged("0d000000", 1);

  const Fd file = Memfd(4096);
  channel().Send(kMap, {file.get()});
  EXPECT_EQ(channel().ReceiveMessage(), kMapped);
  ExpectAcknowledged("25000000", 1);
  channel().Send(kUnmap);
  EXPECT_EQ(channel().ReceiveMessage(), kUnmapped);
  ExpectAcknowledged("26000000", 0);
}

TEST_F(VmmTest, MapsStayWhenTheVmStopsAndGoSilentlyWhenTheGuestResets) {
  StartDevice();
  const Fd file = Memfd(4096);
  channel().Send(kMap, {file.get()});
  EXPECT_EQ(channel().ReceiveMessage(), kMapped);
  ExpectAcknowledged("05000000", 2);

  for (const auto& [stop, kept] : {std::pair{Kind::kStop, size_t{1}}, {Kind::kReset, size_t{0}}}) {
    auto stopped = std::async(std::launch::async, [&, step = stop] { return vmm().Do(step); });
    TakeStop();
    EXPECT_TRUE(stopped.get());
    EXPECT_THAT(vmm().mappings(), SizeIs(kept));
    auto started = std::async(std::launch::async, [&] { return vmm().Do(Kind::kStart); });
    TakeStart(1 + kept);
    EXPECT_TRUE(started.get());
  }
  EXPECT_TRUE(main().IsQuiet());
}

TEST_F(VmmTest, ARequestWhileTheDeviceIsStoppedIsNoted) {
  VmmScript script = DefaultVmmScript();
  script.steps.clear();
  Start(script);
  TakeHandshake();
  const Fd file = Memfd(4096);
  channel().Send(kMap, {file.get()});
  EXPECT_EQ(channel().ReceiveMessage(), kMapped);
  EXPECT_EQ(vmm().transcript().unexpected_count(), 1U);
  EXPECT_TRUE(main().IsQuiet()) << "shown in the memory table though the device is stopped";
}

TEST_F(VmmTest, RefusesAsQemuDoes) {
  StartDevice();
  const std::string refused = "09000000 05000000 08000000 01000000 00000000";
  channel().Send(kMap);  // no descriptor
  EXPECT_EQ(channel().ReceiveMessage(), refused);
  channel().Send(kMap, {Memfd(100).get()});  // too short
  EXPECT_EQ(channel().ReceiveMessage(), refused);
  channel().Send(kUnmap);  // nothing there
  EXPECT_EQ(channel().ReceiveMessage(), "0a000000 05000000 08000000 01000000 00000000");
  channel().Send("0b000000 09000000 00000000");  // unknown
  EXPECT_EQ(channel().ReceiveMessage(), "0b000000 05000000 08000000 01000000 00000000");
  const Fd empty = Memfd(0);  // made as long as it has to be
  channel().Send(kMap, {empty.get()});
  EXPECT_EQ(channel().ReceiveMessage(), kMapped);
  ExpectAcknowledged("05000000", 2);
  channel().Send(kMap, {Memfd(4096).get()});  // over it
  EXPECT_EQ(channel().ReceiveMessage(), refused);
  EXPECT_TRUE(main().IsQuiet());
}

struct Misdeed {
  std::string answer;  // to kMap on the back-end channel
  bool is_closed_then = false;
  size_t fd_count = 0;
};

const std::map<std::string, Misdeed> kMisdeeds = {
    {"wrong-id", {"0a000000 05000000 08000000 00000000 00000000"}},
    {"two-answers", {std::string(kMapped) + " " + kMapped}},
    {"answer-with-fd", {kMapped, false, 1}},
    {"torn-answers", {kMapped}},
    {"slow-answers", {kMapped}},
    {"garbage-answers", {"a5a5a5a5 a5a5a5a5 a5a5a5a5 a5a5a5a5 a5a5a5a5"}},
    {"close-mid-answer", {"09000000 05000000 0800", true}},
};

class MisdeedTest : public VmmTest, public testing::WithParamInterface<std::string> {};

TEST_P(MisdeedTest, IsSeenByTheBackEnd) {
  const Misdeed& misdeed = kMisdeeds.at(GetParam());
  VmmScript script = DefaultVmmScript();
  script.echo = MemoryEcho::kNone;
  FindVmmMisbehaviour(GetParam())->apply(script);
  StartDevice(script);
  const Fd file = Memfd(4096);
  channel().Send(kMap, {file.get()});
  std::vector<Fd> fds;
  const std::string wanted = FromHex(misdeed.answer);
  EXPECT_EQ(ToHex(channel().ReceiveBytes(wanted.size(), &fds)), ToHex(wanted));
  EXPECT_EQ(fds.size(), misdeed.fd_count);
  if (misdeed.is_closed_then) {
    EXPECT_TRUE(channel().IsClosedByPeer());
  }
}

INSTANTIATE_TEST_SUITE_P(All, MisdeedTest, testing::ValuesIn([] {
                           std::vector<std::string> names;
                           names.reserve(kMisdeeds.size());
                           for (const auto& [name, misdeed] : kMisdeeds) names.push_back(name);
                           return names;
                         }()),
                         [](const auto& instance) {
                           std::string name = instance.param;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

TEST_F(VmmTest, AnswersOutOfOrderOrNotAtAll) {
  VmmScript script = DefaultVmmScript();
  script.echo = MemoryEcho::kNone;
  script.answers.is_reversed = true;
  StartDevice(script);
  const Fd file = Memfd(4096);
  channel().Send(kMap, {file.get()});
  channel().Send(kUnmap);
  EXPECT_EQ(channel().ReceiveMessage(), kUnmapped);
  EXPECT_EQ(channel().ReceiveMessage(), kMapped);
}

TEST_F(VmmTest, MisbehavesOnTheMainChannel) {
  VmmScript script = DefaultVmmScript();
  FindVmmMisbehaviour("close-mid-message")->apply(script);
  Start(script);
  TakeHandshake();
  TakeStart(1);
  EXPECT_THAT(main().Receive(26), testing::StartsWith("05000000 09000000 28000000"));
  EXPECT_TRUE(main().IsClosedByPeer());
}

TEST_F(VmmTest, AFrontendThatReadsNothingLeavesRequestsUnanswered) {
  VmmScript script = DefaultVmmScript();
  FindVmmMisbehaviour("never-reads")->apply(script);
  FindVmmMisbehaviour("second-frontend")->apply(script);
  StartDevice(script);
  EXPECT_TRUE(backend().HasCaller());
  channel().Send(kUnmap);
  EXPECT_FALSE(vmm().Do(VmmStep::Mappings(1), std::chrono::milliseconds(100)));
  EXPECT_TRUE(channel().IsQuiet());
}

TEST_F(VmmTest, ABackendThatGoesIsSeenAndTheNextOneServed) {
  StartDevice();
  main().Close();
  channel().Close();
  EXPECT_TRUE(vmm().transcript().WaitFor("disconnected: closed by the peer"));
  auto connected = std::async(std::launch::async, [&] { return vmm().Do(Kind::kReconnect); });
  ASSERT_TRUE(backend().Accept());
  TakeHandshake();
  EXPECT_TRUE(connected.get());
}

}  // namespace
}  // namespace shmemd::peers
