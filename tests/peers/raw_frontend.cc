#include "tests/peers/raw_frontend.h"

#include <gtest/gtest.h>

#include <utility>

namespace shmemd::peers {

std::string RawFrontend::ReceiveOn(RawChannel& channel, size_t bytes, size_t* fd_count) {
  std::vector<Fd> fds;
  std::string hex = channel.Receive(bytes, &fds);
  if (fd_count != nullptr) *fd_count = fds.size();
  return hex;
}

FileId RawFrontend::SendBackendChannel(bool need_reply) {
  auto [ours, theirs] = SocketPair();
  backend_ = RawChannel(std::move(ours));
  Send(need_reply ? "15000000 09000000 00000000" : "15000000 01000000 00000000", {theirs.get()});
  return FileIdOf(theirs.get());
}

void RawFrontend::OpenBackendChannel() {
  SendBackendChannel();
  EXPECT_EQ(Receive(20), "15000000 05000000 08000000 00000000 00000000");
}

void RawFrontend::Handshake(std::string_view protocol_features) {
  Send("01000000 01000000 00000000");
  EXPECT_EQ(Receive(20).substr(0, 26), "01000000 05000000 08000000");
  Send("0f000000 01000000 00000000");
  EXPECT_EQ(Receive(20).substr(0, 26), "0f000000 05000000 08000000");
  Send("10000000 01000000 08000000" + std::string(protocol_features));
  OpenBackendChannel();
  Send("03000000 01000000 00000000");
}

std::string RawFrontend::AskConfig() {
  Send("2c000000 01000000 00000000");
  return Receive(2068);
}

void RawFrontend::TakeMaps(size_t count) {
  for (size_t i = 0; i < count; ++i) {
    size_t fd_count = 0;
    EXPECT_EQ(ReceiveRequest(52, &fd_count).substr(0, 26), "09000000 09000000 28000000");
    EXPECT_EQ(fd_count, 1U);
    Answer("09000000 05000000 08000000 00000000 00000000");
  }
}

}  // namespace shmemd::peers
