// What a demo back-end answers on the main channel, byte by byte.
#include <gmock/gmock.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "tests/peers/backend_thread.h"
#include "tests/peers/peers_fixture.h"

namespace shmemd::peers {
namespace {

using HandshakeTest = PeersTest;
using testing::HasSubstr;

// The script of these tests ends, so that nothing but the handshake goes on.
Script QuietScript() {
  Script script = DefaultScript();
  script.steps.clear();
  return script;
}

TEST_F(HandshakeTest, OffersWhatShmemNeeds) {
  BackendThread backend(QuietScript());
  RawFrontend frontend(backend.socket_path());
  frontend.Send("01000000 01000000 00000000");
  EXPECT_EQ(frontend.Receive(20), "01000000 05000000 08000000 00000040 01000000");
  frontend.Send("0f000000 01000000 00000000");
  EXPECT_EQ(frontend.Receive(20), "0f000000 05000000 08000000 29864100 00000000");
}

TEST_F(HandshakeTest, AnswersEveryRequestThatHasAReplyOfItsOwnOnce) {
  BackendThread backend(QuietScript());
  RawFrontend frontend(backend.socket_path());
  // NEED_REPLY makes no second answer: the replies below stand back to back.
  frontend.Send("11000000 09000000 00000000");
  EXPECT_EQ(frontend.Receive(20), "11000000 05000000 08000000 02000000 00000000");
  frontend.Send("24000000 01000000 00000000");
  EXPECT_EQ(frontend.Receive(20), "24000000 05000000 08000000 20000000 00000000");
  frontend.Send("0b000000 01000000 08000000 01000000 00000000");
  EXPECT_EQ(frontend.Receive(20), "0b000000 05000000 08000000 01000000 00000000");
  frontend.Send("18000000 01000000 10000000 04000000 04000000 00000000 ffffffff");
  EXPECT_EQ(frontend.Receive(28), "18000000 05000000 10000000 04000000 04000000 00000000 00000000");
  frontend.Send("27000000 01000000 08000000 0f000000 00000000 28000000 01000000 00000000");
  EXPECT_EQ(frontend.Receive(20), "28000000 05000000 08000000 0f000000 00000000");
}

TEST_F(HandshakeTest, AcknowledgesWhatAsksForItAndClosesItsDescriptors) {
  BackendThread backend(QuietScript());
  RawFrontend frontend(backend.socket_path());
  int ends[2] = {-1, -1};
  ASSERT_EQ(::pipe(ends), 0);
  frontend.Send(
      "05000000 09000000 48000000 02000000 00000000"
      "00000000 00000000 00100000 00000000 00000000 00000000 00000000 00000000"
      "00100000 00000000 00100000 00000000 00000000 00000000 00000000 00000000",
      {ends[1], ends[1]});
  EXPECT_EQ(frontend.Receive(20), "05000000 05000000 08000000 00000000 00000000");
  frontend.Send("0d000000 01000000 08000000 00000000 00000000", {ends[1]});
  frontend.Send("0c000000 09000000 08000000 00000000 00000000", {ends[1]});
  EXPECT_EQ(frontend.Receive(20), "0c000000 05000000 08000000 00000000 00000000");
  ::close(ends[1]);
  char byte = 0;
  EXPECT_EQ(::read(ends[0], &byte, 1), 0) << "a write end of the pipe is still open";
  ::close(ends[0]);
  EXPECT_EQ(backend.transcript().unexpected_count(), 0U);
}

TEST_F(HandshakeTest, AnswersARequestThatComesByteByByte) {
  BackendThread backend(QuietScript());
  RawFrontend frontend(backend.socket_path());
  for (const char* byte : {"0b", "00", "00", "00", "01", "00", "00", "00", "08", "00", "00", "00"}) {
    frontend.Send(byte);
  }
  frontend.Send("07000000");
  frontend.Send("00000000");
  EXPECT_EQ(frontend.Receive(20), "0b000000 05000000 08000000 07000000 00000000");
}

TEST_F(HandshakeTest, AnswersUnknownRequestsWithAFailure) {
  BackendThread backend(QuietScript());
  RawFrontend frontend(backend.socket_path());
  frontend.Send("e8030000 09000000 00000000");
  EXPECT_EQ(frontend.Receive(20), "e8030000 05000000 08000000 01000000 00000000");
  EXPECT_TRUE(backend.transcript().WaitFor("request 1000 UNEXPECTED"));
}

TEST_F(HandshakeTest, RefusesAHeaderThatPromisesTooMuchAndServesTheNextFrontEnd) {
  BackendThread backend(QuietScript());
  {
    RawFrontend frontend(backend.socket_path());
    frontend.Send("01000000 01000000 ffffffff");
    EXPECT_TRUE(frontend.IsClosedByPeer());
  }
  EXPECT_TRUE(backend.transcript().WaitFor("header size 4294967295, expected at most 16384"));
  RawFrontend next(backend.socket_path());
  next.Handshake();
}

TEST_F(HandshakeTest, ClosesWhenAskedForTheConfigWithoutShmemAcknowledged) {
  BackendThread backend(QuietScript());
  RawFrontend frontend(backend.socket_path());
  frontend.Handshake("29040000 00000000");
  frontend.Send("2c000000 01000000 00000000");
  EXPECT_TRUE(frontend.IsClosedByPeer());
  EXPECT_TRUE(backend.transcript().WaitFor("GET_SHMEM_CONFIG without SHMEM acknowledged UNEXPECTED"));
}

TEST_F(HandshakeTest, NamesWhatAFrontEndDoesWrong) {
  BackendThread backend(QuietScript());
  RawFrontend frontend(backend.socket_path());
  frontend.Handshake("29044001 00000000");
  frontend.Send("03000000 01000000 00000000");
  frontend.Send("2c000000 01000000 08000000 00000000 00000000");
  EXPECT_EQ(frontend.Receive(2068).size(), size_t{2068 / 4 * 9 - 1});
  frontend.Send("15000000 01000000 00000000");
  EXPECT_TRUE(backend.transcript().WaitFor("has bits that were not offered UNEXPECTED"));
  EXPECT_TRUE(backend.transcript().WaitFor("a second SET_OWNER on one connection UNEXPECTED"));
  EXPECT_TRUE(
      backend.transcript().WaitFor("GET_SHMEM_CONFIG with 8 bytes and 0 fds, expected none UNEXPECTED"));
  EXPECT_TRUE(backend.transcript().WaitFor("SET_BACKEND_REQ_FD carried 0 fds, expected 1 UNEXPECTED"));
}

}  // namespace
}  // namespace shmemd::peers
