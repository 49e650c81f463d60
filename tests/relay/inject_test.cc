// A GET_SHMEM_CONFIG of our own between two messages of the VMM: when, and that its answer reaches nobody
// else.
#include "tests/relay/relay_fixture.h"

namespace shmemd::relay {
namespace {

using state::Query;

class InjectTest : public RelayTest {
 protected:
  InjectTest() { spec_.query = Query::kInject; }

  void EnableRing(RawFrontend& frontend) {
    Pass(frontend.main(), backend().main(), kEnableRing);
    Pass(backend().main(), frontend.main(), kRingEnabled);
  }
};

TEST_F(InjectTest, OneReplyIsSwallowedAndWhatTheVmmAsksMeanwhileIsAnswered) {
  Start();
  RawFrontend frontend = ConnectAndShakeHands();
  EnableRing(frontend);
  EXPECT_EQ(backend().main().ReceiveMessage(), kAskConfig);
  Pass(frontend.main(), backend().main(), kGetFeatures);
  backend().main().Send(ConfigAnswer());
  backend().main().Send(kFeatures);
  EXPECT_EQ(frontend.main().ReceiveMessage(), kFeatures);
  EXPECT_TRUE(Shows([](const state::Backend& shown) {
    return shown.FindRegion(0) != nullptr && shown.FindRegion(0)->status.size_bytes == uint64_t{1} << 24;
  }));
  // Later ones are the VMM's own.
  Pass(frontend.main(), backend().main(), kAskConfig);
  Pass(backend().main(), frontend.main(), ConfigAnswer());
  EXPECT_TRUE(frontend.main().IsQuiet());
}

TEST_F(InjectTest, ItIsAskedBetweenTwoWholeMessagesOfTheVmm) {
  Start();
  RawFrontend frontend = ConnectAndShakeHands();
  // Behind the message that makes it time to ask, half of another one.
  frontend.Send("12000000 09000000 08000000 00000000 01000000 12000000 09000000");
  EXPECT_EQ(backend().main().ReceiveMessage(), kEnableRing);
  frontend.Send("08000000 01000000 01000000");
  std::vector<std::string> seen = {backend().main().ReceiveMessage(), backend().main().ReceiveMessage()};
  EXPECT_THAT(seen,
              testing::UnorderedElementsAre(kAskConfig, "12000000 09000000 08000000 01000000 01000000"));
}

TEST_F(InjectTest, ItIsNotAskedWhenShmemWasNotNegotiated) {
  Start();
  RawFrontend frontend = Connect();
  peers::ShakeHands(frontend, backend(), "29040000 00000000");
  EnableRing(frontend);
  Pass(frontend.main(), backend().main(), kGetFeatures);
  Pass(backend().main(), frontend.main(), kFeatures);
  EXPECT_TRUE(backend().main().IsQuiet());
}

TEST_F(InjectTest, ItIsNotAskedInsideAPostcopyExchange) {
  Start();
  RawFrontend frontend = ConnectAndShakeHands();
  Pass(frontend.main(), backend().main(), "1c000000 01000000 00000000");
  PassWithFiles(backend().main(), frontend.main(), "1c000000 05000000 00000000", {NewFile().get()});
  Pass(frontend.main(), backend().main(), "1d000000 09000000 00000000");
  Pass(backend().main(), frontend.main(), "1d000000 05000000 08000000 00000000 00000000");
  const std::string region =
      "01000000 00000000 00000000 00000000 00001000 00000000 00000000 00000000 00000000 00000000";
  PassWithFiles(frontend.main(), backend().main(), "05000000 01000000 28000000 " + region, {NewFile().get()});
  EXPECT_TRUE(backend().main().IsQuiet());
  Pass(backend().main(), frontend.main(), "05000000 05000000 28000000 " + region);
  EXPECT_TRUE(backend().main().IsQuiet());
  // The ack of the reply is no request: nobody answers it, and nothing may come before it.
  Pass(frontend.main(), backend().main(), "05000000 01000000 08000000 00000000 00000000");
  EXPECT_EQ(backend().main().ReceiveMessage(), kAskConfig);
}

TEST_F(InjectTest, ABackendThatEndsBecauseOfItIsSeenByTheVmmAndByReaders) {
  Start();
  RawFrontend frontend = ConnectAndShakeHands();
  EnableRing(frontend);
  EXPECT_EQ(backend().main().ReceiveMessage(), kAskConfig);
  backend_.reset();
  EXPECT_TRUE(frontend.IsClosedByPeer());
  EXPECT_TRUE(Shows([](const state::Backend& shown) {
    const state::BackendStatus& status = shown.status();
    return status.state == BackendState::kDisconnected &&
           status.cause.reason == StateReason::kClosedByBackend && status.cause.message_id == 44;
  }));
}

TEST_F(InjectTest, AVmmThatAsksItselfIsListenedTo) {
  Start();
  RawFrontend frontend = ConnectAndShakeHands();
  Pass(frontend.main(), backend().main(), kAskConfig);
  Pass(backend().main(), frontend.main(), ConfigAnswer());
  EnableRing(frontend);
  Pass(frontend.main(), backend().main(), kGetFeatures);
  Pass(backend().main(), frontend.main(), kFeatures);
  EXPECT_TRUE(backend().main().IsQuiet());
}

TEST_F(RelayTest, WithoutInjectNothingIsAskedAndTheMissingConfigurationIsReported) {
  Start();
  RawFrontend frontend = ConnectAndShakeHands();
  StartDevice(frontend);
  EXPECT_TRUE(ShowsFinding(FindingCode::kConfigNotSeen));
  EXPECT_TRUE(backend().main().IsQuiet());
}

}  // namespace
}  // namespace shmemd::relay
