// The smallest front-end that can talk to a back-end or a relay: two raw channels and the few exchanges that
// every test begins with. Owned by a test, used on its thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "tests/peers/raw_channel.h"

namespace shmemd::peers {

class RawFrontend {
 public:
  // Connects; a test failure when nobody listens.
  explicit RawFrontend(const std::string& path) : main_(RawChannel::Connect(path)) {}
  explicit RawFrontend(RawChannel main) : main_(std::move(main)) {}

  RawChannel& main() { return main_; }
  RawChannel& backend() { return backend_; }

  // On the main channel.
  void Send(std::string_view hex, const std::vector<int>& fds = {}) { main_.Send(hex, fds); }
  // `fd_count` becomes the number of descriptors that came along (closed at once).
  std::string Receive(size_t bytes, size_t* fd_count = nullptr) { return ReceiveOn(main_, bytes, fd_count); }
  bool IsClosedByPeer() { return main_.IsClosedByPeer(); }

  // All that comes before GET_SHMEM_CONFIG. Acknowledges `protocol_features`.
  void Handshake(std::string_view protocol_features = "29044000 00000000");
  // SET_BACKEND_REQ_FD with a new channel, without waiting for its ack. Returns which file the peer got.
  FileId SendBackendChannel(bool need_reply = true);
  // The same, and its ack.
  void OpenBackendChannel();
  // GET_SHMEM_CONFIG; the 2068 bytes of its answer.
  std::string AskConfig();

  // On the back-end channel.
  void Answer(std::string_view hex) { backend_.Send(hex); }
  std::string ReceiveRequest(size_t bytes = 52, size_t* fd_count = nullptr) {
    return ReceiveOn(backend_, bytes, fd_count);
  }
  bool IsBackendChannelClosed() { return backend_.IsClosedByPeer(); }
  void CloseBackendChannel() { backend_.Close(); }

  // Takes the `count` maps that a script begins with, and acknowledges them.
  void TakeMaps(size_t count);

 private:
  static std::string ReceiveOn(RawChannel& channel, size_t bytes, size_t* fd_count);

  RawChannel main_;
  RawChannel backend_;
};

}  // namespace shmemd::peers
