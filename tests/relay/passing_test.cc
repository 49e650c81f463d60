// What passes between a VMM and a back-end through a relay, and what does not.
#include <absl/strings/str_cat.h>
#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include "tests/relay/relay_fixture.h"

namespace shmemd::relay {
namespace {

using testing::SizeIs;

using PassingTest = RelayTest;

// ---- writing

TEST_F(PassingTest, AMessageWrittenInPiecesIsReadInOne) {
  Start();
  RawFrontend frontend = ConnectAndShakeHands();
  const Fd file = NewFile();
  backend().backend().Send("09000000 09000000 28000000", {file.get()});
  backend().backend().Send("00000000 00000000 00000000 00000000 00000000 00000000 00100000");
  EXPECT_TRUE(frontend.backend().IsQuiet());
  backend().backend().Send("00000000 01000000 00000000");
  std::vector<Fd> fds;
  EXPECT_EQ(frontend.backend().ReceiveBytes(1, &fds).size(), 1U);
  EXPECT_THAT(fds, SizeIs(1));
  EXPECT_EQ(peers::FromHex(frontend.backend().ReceiveOnce(100)).size(), 51U) << "the rest was there at once";
}

// ---- SET_BACKEND_REQ_FD

TEST_F(PassingTest, OnlyTheDescriptorOfTheBackendChannelIsExchanged) {
  Start();
  RawFrontend frontend = Connect();
  const peers::FileId sent = frontend.SendBackendChannel();
  EXPECT_EQ(backend().TakeBackendChannel(), "15000000 09000000 00000000");
  EXPECT_NE(FileIdOf(backend().backend().fd()), sent);
  Pass(backend().main(), frontend.main(), "15000000 05000000 08000000 00000000 00000000");
  PassWithFiles(backend().backend(), frontend.backend(), kMapRequest, {NewFile().get()});
  Pass(frontend.backend(), backend().backend(), kMapDone);
}

TEST_F(PassingTest, TheBackendsEndOfItsChannelIsABlockingStreamLikeTheOneThatWasSent) {
  Start();
  RawFrontend frontend = Connect();
  for (const int flags : {0, O_NONBLOCK}) {
    auto [ours, theirs] = peers::SocketPair();
    fcntl(theirs.get(), F_SETFL, flags);
    frontend.Send("15000000 01000000 00000000", {theirs.get()});
    EXPECT_EQ(backend().TakeBackendChannel(), "15000000 01000000 00000000");
    EXPECT_EQ(fcntl(backend().backend().fd(), F_GETFL) & O_NONBLOCK, flags);
    EXPECT_EQ(fcntl(theirs.get(), F_GETFL) & O_NONBLOCK, flags) << "of the description that the VMM shares";
  }
}

TEST_F(PassingTest, ASecondBackendChannelTakesOverAndTheFirstIsDrained) {
  Start();
  RawFrontend frontend = ConnectAndShakeHands();
  RawChannel first_at_frontend = std::move(frontend.backend());
  RawChannel first_at_backend = std::move(backend().backend());
  first_at_backend.Send(kMapUnasked, {NewFile().get()});
  frontend.SendBackendChannel();
  EXPECT_EQ(backend().TakeBackendChannel(), "15000000 09000000 00000000");
  Pass(backend().main(), frontend.main(), "15000000 05000000 08000000 00000000 00000000");
  PassWithFiles(backend().backend(), frontend.backend(), kMapRequest, {NewFile().get()});
  Pass(frontend.backend(), backend().backend(), kMapDone);

  first_at_backend.Send(kMapUnasked, {NewFile().get()});
  first_at_backend.Close();
  for (int i = 0; i < 2; ++i) {
    std::vector<Fd> fds;
    EXPECT_EQ(first_at_frontend.ReceiveMessage(&fds), kMapUnasked);
    EXPECT_THAT(fds, SizeIs(1));
  }
  EXPECT_TRUE(first_at_frontend.IsClosedByPeer());
  PassWithFiles(backend().backend(), frontend.backend(), kMapRequest, {NewFile().get()});
  Pass(frontend.backend(), backend().backend(), kMapDone);
}

TEST_F(PassingTest, ABackendThatRefusesTheChannelAndDropsItShowsTheVmmAnEnd) {
  Start();
  RawFrontend frontend = Connect();
  frontend.SendBackendChannel();
  EXPECT_EQ(backend().TakeBackendChannel(), "15000000 09000000 00000000");
  Pass(backend().main(), frontend.main(), "15000000 05000000 08000000 01000000 00000000");
  backend().backend().Close();
  EXPECT_TRUE(frontend.IsBackendChannelClosed());
  Pass(frontend.main(), backend().main(), kGetFeatures);
}

TEST_F(PassingTest, ABackendChannelThatIsNoStreamSocketPassesUntouchedAndIsNotObserved) {
  Start();
  RawFrontend frontend = Connect();
  const Fd file = NewFile();
  PassWithFiles(frontend.main(), backend().main(), "15000000 01000000 00000000", {file.get()});
  EXPECT_TRUE(Shows([](const state::Backend& shown) {
    return shown.status().observation.reason == state::UnobservedReason::kBackendChannelOdd;
  }));
  Pass(frontend.main(), backend().main(), kGetFeatures);
}

TEST_F(PassingTest, AfterSixtyFourBackendChannelsOnesGoPastTheRelayAndThatIsSaid) {
  Start();
  RawFrontend frontend = Connect();
  for (int i = 0; i < 64; ++i) {
    const peers::FileId sent = frontend.SendBackendChannel();
    EXPECT_EQ(backend().TakeBackendChannel(), "15000000 09000000 00000000");
    EXPECT_NE(FileIdOf(backend().backend().fd()), sent);
    Pass(backend().main(), frontend.main(), "15000000 05000000 08000000 00000000 00000000");
  }
  const peers::FileId sent = frontend.SendBackendChannel();
  EXPECT_EQ(backend().TakeBackendChannel(), "15000000 09000000 00000000");
  EXPECT_EQ(FileIdOf(backend().backend().fd()), sent);
  EXPECT_TRUE(Shows([](const state::Backend& shown) {
    return shown.status().observation.reason == state::UnobservedReason::kBackendChannelOdd;
  }));
  Pass(backend().main(), frontend.main(), "15000000 05000000 08000000 00000000 00000000");
  PassWithFiles(backend().backend(), frontend.backend(), kMapRequest, {NewFile().get()});
}

// ---- independence of the channels

TEST_F(PassingTest, AMapArrivesWhileTheVmmWaitsForAReplyOnTheMainChannel) {
  Start();
  RawFrontend frontend = ConnectAndStartDevice();
  const std::string get_vring_base = "0b000000 01000000 08000000 00000000 00000000";
  Pass(frontend.main(), backend().main(), get_vring_base);
  PassWithFiles(backend().backend(), frontend.backend(), kMapRequest, {NewFile().get()});
  PassWithFiles(backend().backend(), frontend.backend(), kMapRequest, {NewFile().get()});
  Pass(backend().main(), frontend.main(), "0b000000 05000000 08000000 00000000 00000000");
  Pass(frontend.backend(), backend().backend(), kMapRefused);
}

TEST_F(PassingTest, AMemoryTableArrivesWhileTheBackendWaitsForAnAckOnItsChannel) {
  Start();
  RawFrontend frontend = ConnectAndStartDevice();
  PassWithFiles(backend().backend(), frontend.backend(), kMapRequest, {NewFile().get()});
  const Fd ram = NewFile();
  PassWithFiles(
      frontend.main(), backend().main(),
      "05000000 09000000 28000000 01000000 00000000 00000000 00000000 00001000 00000000 00000000 00000000 "
      "00000000 00000000",
      {ram.get()});
  Pass(backend().main(), frontend.main(), "05000000 05000000 08000000 00000000 00000000");
  Pass(frontend.backend(), backend().backend(), kMapDone);
  EXPECT_TRUE(ShowsMappings(1, state::MappingState::kMapped));
}

TEST_F(PassingTest, MapsThatAreSentBackToBackAreAnsweredInTheirOrder) {
  Start();
  RawFrontend frontend = ConnectAndStartDevice();
  std::vector<Fd> files;
  for (int i = 0; i < 3; ++i) {
    files.push_back(NewFile());
    backend().backend().Send(
        absl::StrCat("09000000 09000000 28000000 00000000 00000000 00000000 00000000 00000", i,
                     "00 00000000 00100000 00000000 01000000 00000000"),
        {files.back().get()});
  }
  for (int i = 0; i < 3; ++i) {
    std::vector<Fd> fds;
    frontend.backend().ReceiveMessage(&fds);
    ASSERT_THAT(fds, SizeIs(1));
    EXPECT_EQ(FileIdOf(fds[0].get()), FileIdOf(files[static_cast<size_t>(i)].get()));
  }
  for (const char* answer : {kMapDone, kMapRefused, kMapDone})
    Pass(frontend.backend(), backend().backend(), answer);
  EXPECT_TRUE(ShowsMappings(2, state::MappingState::kMapped));
}

TEST_F(PassingTest, AnIotlbMissNestedAcrossTheChannelsPasses) {
  Start();
  RawFrontend frontend = ConnectAndStartDevice();
  const std::string miss =
      "01000000 09000000 20000000 00100000 00000000 00100000 00000000 00000000 00000000 01010000 00000000";
  const std::string update =
      "16000000 09000000 20000000 00100000 00000000 00100000 00000000 00007f00 00000000 03020000 00000000";
  Pass(backend().backend(), frontend.backend(), miss);
  Pass(frontend.main(), backend().main(), update);
  Pass(backend().main(), frontend.main(), "16000000 05000000 08000000 00000000 00000000");
  Pass(frontend.backend(), backend().backend(), "01000000 05000000 08000000 00000000 00000000");
}

TEST_F(PassingTest, ADescriptorIsNonBlockingOrNotAsItsOwnerMadeIt) {
  Start();
  RawFrontend frontend = ConnectAndShakeHands();
  for (const int flags : std::vector<int>{0, EFD_NONBLOCK}) {
    const Fd kick(eventfd(0, EFD_CLOEXEC | flags));
    frontend.Send("0c000000 01000000 08000000 00000000 00000000", {kick.get()});
    std::vector<Fd> fds;
    backend().main().ReceiveMessage(&fds);
    ASSERT_THAT(fds, SizeIs(1));
    EXPECT_EQ(fcntl(fds[0].get(), F_GETFL) & O_NONBLOCK, flags);
  }
}

// ---- odds and ends of the main channel

TEST_F(PassingTest, DescriptorsTravelWithRepliesToo) {
  Start();
  RawFrontend frontend = ConnectAndShakeHands();
  const Fd file = NewFile();
  // POSTCOPY_ADVISE: a userfaultfd.
  Pass(frontend.main(), backend().main(), "1c000000 01000000 00000000");
  PassWithFiles(backend().main(), frontend.main(), "1c000000 05000000 00000000", {file.get()});
  // GET_INFLIGHT_FD, and SET_INFLIGHT_FD the other way.
  const std::string inflight = " 18000000 00100000 00000000 00000000 00000000 01008000 00000000";
  Pass(frontend.main(), backend().main(), "1f000000 01000000" + inflight);
  PassWithFiles(backend().main(), frontend.main(), "1f000000 05000000" + inflight, {file.get()});
  PassWithFiles(frontend.main(), backend().main(), "20000000 01000000" + inflight, {file.get()});
  // SET_DEVICE_STATE_FD: both ways in one exchange.
  PassWithFiles(frontend.main(), backend().main(), "2a000000 01000000 08000000 00000000 00000000",
                {file.get()});
  PassWithFiles(backend().main(), frontend.main(), "2a000000 05000000 08000000 00000000 00000000",
                {file.get()});
  // GET_SHARED_OBJECT without its UUID, as QEMU sends it.
  Pass(frontend.main(), backend().main(), "29000000 01000000 00000000");
  PassWithFiles(backend().main(), frontend.main(), "29000000 05000000 00000000", {file.get()});
  EXPECT_TRUE(Shows([](const state::Backend& shown) {
    return shown.status().traffic[0][1].fds == 4 &&
           shown.status().observation.reason == state::UnobservedReason::kNone;
  }));
}

TEST_F(PassingTest, AnswersToSetLogBasePassInBothSizes) {
  Start();
  RawFrontend frontend = ConnectAndShakeHands();
  const std::string request = "06000000 01000000 10000000 00100000 00000000 00000000 00000000";
  for (const std::string reply : {"06000000 05000000 08000000 00000000 00000000",
                                  "06000000 05000000 10000000 00000000 00000000 00000000 00000000"}) {
    PassWithFiles(frontend.main(), backend().main(), request, {NewFile().get()});
    Pass(backend().main(), frontend.main(), reply);
  }
}

TEST_F(PassingTest, FeaturesAreNeverAnsweredFromMemory) {
  Start();
  RawFrontend frontend = ConnectAndShakeHands();
  for (int i = 0; i < 3; ++i) {
    Pass(frontend.main(), backend().main(), kGetFeatures);
    EXPECT_TRUE(frontend.main().IsQuiet());
    Pass(backend().main(), frontend.main(), kFeatures);
  }
}

TEST_F(PassingTest, UnknownMessagesPassOnBothChannelsAlsoWithAnAnswerThatNobodyAskedFor) {
  Start();
  RawFrontend frontend = ConnectAndShakeHands();
  PassWithFiles(frontend.main(), backend().main(), "e7030000 01000000 04000000 deadbeef", {NewFile().get()});
  Pass(backend().main(), frontend.main(), "e7030000 05000000 04000000 deadbeef");
  PassWithFiles(backend().backend(), frontend.backend(), "ffffff7f 01000000 00000000", {NewFile().get()});
  Pass(frontend.backend(), backend().backend(), "ffffff7f 05000000 00000000");
  EXPECT_TRUE(ShowsFinding(FindingCode::kMessageUnknown));
  Pass(frontend.main(), backend().main(), kGetFeatures);
}

TEST_F(PassingTest, OddHeadersPassAndAreReported) {
  Start();
  RawFrontend frontend = ConnectAndShakeHands();
  for (const char* header : {"01000000 00000000 00000000", "01000000 03000000 00000000",
                             "01000000 f1ffffff 00000000", "01000000 05000000 00000000"})
    Pass(frontend.main(), backend().main(), header);
  EXPECT_TRUE(ShowsFinding(FindingCode::kHeaderOdd));
}

TEST_F(PassingTest, AMessageBeyondAllLimitsPassesInParts) {
  Start();
  RawFrontend frontend = ConnectAndShakeHands();
  const Fd file = NewFile();
  const std::string bytes = peers::FromHex("e7030000 01000000 a0860100") + std::string(100'000, 'x');
  std::vector<Fd> fds;
  size_t sent = frontend.main().SendSome(bytes, {file.get()});
  std::string got = backend().main().ReceiveBytes(sent, &fds);
  while (sent < bytes.size()) {
    const size_t more = frontend.main().SendSome(std::string_view(bytes).substr(sent));
    got += backend().main().ReceiveBytes(more, &fds);
    sent += more;
  }
  EXPECT_EQ(got, bytes);
  EXPECT_THAT(fds, SizeIs(1));
  Pass(frontend.main(), backend().main(), kGetFeatures);
}

// ---- bypasses

TEST_F(PassingTest, ASocketOfAnotherProtocolIsHandedOverAsItIs) {
  Start();
  RawFrontend frontend = ConnectAndShakeHands();
  auto [ours, theirs] = peers::SocketPair();
  frontend.Send("21000000 01000000 00000000", {theirs.get()});
  std::vector<Fd> fds;
  EXPECT_EQ(backend().main().ReceiveMessage(&fds), "21000000 01000000 00000000");
  ASSERT_THAT(fds, SizeIs(1));
  EXPECT_EQ(FileIdOf(fds[0].get()), FileIdOf(theirs.get()));
  theirs.Close();
  const RawChannel gpu(std::move(fds[0]));
  const RawChannel display(std::move(ours));
  Pass(gpu, display, "01000000 00000000 00000000");
}

// ---- ends

TEST_F(PassingTest, ABackendChannelThatEndsClosesOnlyItsCounterpart) {
  Start();
  RawFrontend frontend = ConnectAndStartDevice();
  MapFile(frontend, NewFile());
  backend().backend().Close();
  EXPECT_TRUE(frontend.IsBackendChannelClosed());
  Pass(frontend.main(), backend().main(), kGetFeatures);
  Pass(backend().main(), frontend.main(), kFeatures);
  EXPECT_TRUE(ShowsMappings(1, state::MappingState::kMapped));
  // And a new one is as good as the first.
  frontend.SendBackendChannel();
  EXPECT_EQ(backend().TakeBackendChannel(), "15000000 09000000 00000000");
  Pass(backend().main(), frontend.main(), "15000000 05000000 08000000 00000000 00000000");
  frontend.CloseBackendChannel();
  EXPECT_TRUE(backend().backend().IsClosedByPeer());
  Pass(frontend.main(), backend().main(), kGetFeatures);
}

TEST_F(PassingTest, WhatABackendSaidLastOnItsChannelArrivesBeforeTheEnd) {
  constexpr int kMaps = 150;  // more than may be under way at a time
  Start();
  RawFrontend frontend = ConnectAndStartDevice();
  const Fd file = NewFile();
  for (int i = 0; i < kMaps; ++i) backend().backend().Send(kMapUnasked, {file.get()});
  backend_.reset();
  EXPECT_TRUE(frontend.IsClosedByPeer());
  for (int i = 0; i < kMaps; ++i) {
    std::vector<Fd> fds;
    ASSERT_EQ(frontend.backend().ReceiveMessage(&fds), kMapUnasked) << i;
    ASSERT_THAT(fds, SizeIs(1));
  }
  EXPECT_TRUE(frontend.IsBackendChannelClosed());
}

TEST_F(PassingTest, HalfAMainChannelMayEndWhileTheOtherHalfGoesOn) {
  Start();
  RawFrontend frontend = ConnectAndShakeHands();
  Pass(frontend.main(), backend().main(), kGetFeatures);
  frontend.main().HalfClose();
  EXPECT_TRUE(backend().main().IsClosedByPeer());
  Pass(backend().main(), frontend.main(), kFeatures);
}

// ---- the guard

TEST_F(PassingTest, ProtectAnswersAMapForAStoppedDeviceItself) {
  spec_.guard = state::Guard::kProtect;
  Start();
  RawFrontend frontend = ConnectAndShakeHands();
  const Fd file = NewFile();
  const size_t fds = peers::OpenFdCount();
  backend().backend().Send(kMapRequest, {file.get()});
  EXPECT_EQ(backend().backend().ReceiveMessage(), kMapRefused);
  EXPECT_TRUE(ShowsFinding(FindingCode::kGuardRefused));
  EXPECT_TRUE(frontend.backend().IsQuiet());
  EXPECT_EQ(peers::OpenFdCount(), fds);
  StartDevice(frontend);
  MapFile(frontend, file);
}

TEST_F(PassingTest, ProtectDropsAMapForAStoppedDeviceThatAsksForNoAnswer) {
  spec_.guard = state::Guard::kProtect;
  Start();
  RawFrontend frontend = ConnectAndShakeHands();
  backend().backend().Send(kMapUnasked, {NewFile().get()});
  EXPECT_TRUE(ShowsFinding(FindingCode::kGuardDropped));
  EXPECT_TRUE(frontend.backend().IsQuiet());
  EXPECT_TRUE(backend().backend().IsQuiet());
}

TEST_F(PassingTest, WarnReportsAMapForAStoppedDeviceAndHandsItOn) {
  Start();
  RawFrontend frontend = ConnectAndShakeHands();
  MapFile(frontend, NewFile());
  EXPECT_TRUE(ShowsFinding(FindingCode::kMapWhenStopped));
}

TEST_F(PassingTest, OffHandsItOnAndSaysNothing) {
  spec_.guard = state::Guard::kOff;
  Start();
  RawFrontend frontend = ConnectAndShakeHands();
  MapFile(frontend, NewFile());
  EXPECT_TRUE(ShowsMappings(1, state::MappingState::kMapped));
  EXPECT_TRUE(Shows([](const state::Backend& shown) { return !Has(shown, FindingCode::kMapWhenStopped); }));
}

TEST_F(PassingTest, RefusalsComeInTheOrderOfTheAnswersOfTheVmm) {
  spec_.guard = state::Guard::kProtect;
  Start();
  RawFrontend frontend = ConnectAndStartDevice();
  // One that the VMM has to answer, then, with the ring disabled, one that the guard answers.
  PassWithFiles(backend().backend(), frontend.backend(), kMapRequest, {NewFile().get()});
  Pass(frontend.main(), backend().main(), "12000000 09000000 08000000 00000000 00000000");
  Pass(backend().main(), frontend.main(), kRingEnabled);
  Pass(frontend.main(), backend().main(), "0b000000 01000000 08000000 00000000 00000000");
  Pass(backend().main(), frontend.main(), "0b000000 05000000 08000000 00000000 00000000");
  backend().backend().Send(kMapRequest, {NewFile().get()});
  EXPECT_TRUE(backend().backend().IsQuiet());
  frontend.backend().Send(kMapDone);
  EXPECT_EQ(backend().backend().ReceiveMessage(), kMapDone);
  EXPECT_EQ(backend().backend().ReceiveMessage(), kMapRefused);
}

}  // namespace
}  // namespace shmemd::relay
