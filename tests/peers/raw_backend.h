// A back-end that says nothing unless the test says it: a listening or connecting socket and two raw
// channels. With a RawFrontend and a relay between them, one thread of a test sees both ends of every
// message.
//
//   RawBackend backend(directory.path() + "/b.sock");
//   ... a relay that connects there ...
//   RawFrontend frontend(relay_path);
//   backend.Accept();
//   ShakeHands(frontend, backend);
//   backend.backend().Send(kMap, {memfd});
//   EXPECT_EQ(frontend.backend().ReceiveMessage(&fds), kMap);
#pragma once

#include <string>
#include <string_view>

#include "tests/peers/demo_backend.h"
#include "tests/peers/raw_channel.h"
#include "tests/peers/raw_frontend.h"

namespace shmemd::peers {

class RawBackend {
 public:
  // Listens; a test failure when that cannot be.
  explicit RawBackend(const std::string& path);

  int listener() const { return listener_.fd(); }
  // The next connection becomes the main channel; the one before and the back-end channel are closed. False,
  // and a test failure, when none comes within 5 s.
  bool Accept();
  // True when somebody waits to be accepted.
  bool HasCaller() const;

  RawChannel& main() { return main_; }
  RawChannel& backend() { return backend_; }

  // Receives SET_BACKEND_REQ_FD (its 12 bytes are returned) and takes its descriptor as back-end channel.
  std::string TakeBackendChannel();

 private:
  ListenSocket listener_;
  RawChannel main_;
  RawChannel backend_;
};

// `hex` from one raw channel to the other, through whatever lies between them. The bytes must arrive as they
// were sent, with no descriptor.
void Pass(const RawChannel& from, const RawChannel& to, std::string_view hex);

// What a front-end in QEMU's order and a back-end say before GET_SHMEM_CONFIG, each message seen at the other
// end: features, protocol features (offered and acknowledged), back-end channel, owner.
void ShakeHands(RawFrontend& frontend, RawBackend& backend,
                std::string_view protocol_features = "29044000 00000000");

}  // namespace shmemd::peers
