// The raw front-end and back-end against one another, without a relay between them.
#include <gmock/gmock.h>
#include <sys/mman.h>

#include "tests/peers/peers_fixture.h"
#include "tests/peers/raw_backend.h"
#include "tests/peers/temporary_directory.h"

namespace shmemd::peers {
namespace {

using RawPeersTest = PeersTest;

constexpr char kMap[] =
    "09000000 09000000 28000000 02000000 00000000 00200000 00000000 00000100 00000000 00800000 00000000 "
    "01000000 00000000";
constexpr char kMapped[] = "09000000 05000000 08000000 00000000 00000000";

TEST_F(RawPeersTest, MessagesAndDescriptorsArriveAsTheyWereSent) {
  const TemporaryDirectory directory;
  RawBackend backend(directory.path() + "/b.sock");
  EXPECT_FALSE(backend.HasCaller());
  RawFrontend frontend(directory.path() + "/b.sock");
  ASSERT_TRUE(backend.Accept());
  ShakeHands(frontend, backend);

  const Fd file(::memfd_create("backing", MFD_CLOEXEC));
  backend.backend().Send(kMap, {file.get()});
  std::vector<Fd> fds;
  EXPECT_EQ(frontend.backend().ReceiveMessage(&fds), kMap);
  ASSERT_EQ(fds.size(), 1U);
  EXPECT_EQ(FileIdOf(fds[0].get()), FileIdOf(file.get()));
  Pass(frontend.backend(), backend.backend(), kMapped);
  EXPECT_TRUE(frontend.main().IsQuiet());
}

TEST_F(RawPeersTest, TheEndOfEachChannelIsSeen) {
  const TemporaryDirectory directory;
  RawBackend backend(directory.path() + "/b.sock");
  RawFrontend frontend(directory.path() + "/b.sock");
  ASSERT_TRUE(backend.Accept());
  ShakeHands(frontend, backend);

  frontend.CloseBackendChannel();
  EXPECT_TRUE(backend.backend().IsClosedByPeer());
  frontend.main().HalfClose();
  EXPECT_FALSE(backend.main().IsQuiet());
  EXPECT_TRUE(backend.main().IsClosedByPeer());
  Pass(backend.main(), frontend.main(), kMapped);
}

}  // namespace
}  // namespace shmemd::peers
