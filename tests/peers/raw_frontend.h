// The smallest front-end that can talk to the peers, for their own tests: it sends and shows bytes as
// hexadecimal text and uses none of the peers' wire code.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace shmemd::peers {

// How many descriptors this process has.
size_t OpenFdCount();

class RawFrontend {
 public:
  // Connects; a test failure when nobody listens. Every receive gives up after 5 s.
  explicit RawFrontend(const std::string& path);
  ~RawFrontend();
  RawFrontend(const RawFrontend&) = delete;
  RawFrontend& operator=(const RawFrontend&) = delete;

  // On the main channel. Spaces in `hex` are free.
  void Send(std::string_view hex, const std::vector<int>& fds = {}) { SendOn(main_, hex, fds); }

  // Exactly so many bytes, in groups of four; less when the peer closes or is late. `fd_count` becomes the
  // number of descriptors that came along (closed at once).
  std::string Receive(size_t bytes, size_t* fd_count = nullptr) { return ReceiveOn(main_, bytes, fd_count); }

  // True when the peer closes the main channel without another byte.
  bool IsClosedByPeer() { return IsClosed(main_); }

  // All that comes before GET_SHMEM_CONFIG. Acknowledges `protocol_features`.
  void Handshake(std::string_view protocol_features = "29044000 00000000");
  // SET_BACKEND_REQ_FD.
  void OpenBackendChannel();
  // GET_SHMEM_CONFIG; the 2068 bytes of its answer.
  std::string AskConfig();

  // On the back-end channel.
  void Answer(std::string_view hex) { SendOn(backend_, hex, {}); }
  std::string ReceiveRequest(size_t bytes = 52, size_t* fd_count = nullptr) {
    return ReceiveOn(backend_, bytes, fd_count);
  }
  bool IsBackendChannelClosed() { return IsClosed(backend_); }
  void CloseBackendChannel();

  // Takes the `count` maps that a script begins with, and acknowledges them.
  void TakeMaps(size_t count);

 private:
  static void SendOn(int socket, std::string_view hex, const std::vector<int>& fds);
  static std::string ReceiveOn(int socket, size_t bytes, size_t* fd_count);
  static bool IsClosed(int socket);

  int main_ = -1;
  int backend_ = -1;
};

}  // namespace shmemd::peers
