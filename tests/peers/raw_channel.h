// One connected stream socket on which a test says and sees every byte, as hexadecimal text, and every
// descriptor. It uses none of the peers' wire code.
//
// Owned by a test, used on its thread. What goes wrong is a test failure; every wait gives up after 5 s.
#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tests/peers/fd.h"

namespace shmemd::peers {

// How many descriptors this process has.
size_t OpenFdCount();

// Which file a descriptor is of: device and inode. The same after any number of hops.
using FileId = std::pair<dev_t, ino_t>;
FileId FileIdOf(int fd);

// A connected pair of stream sockets.
std::pair<Fd, Fd> SocketPair();

// Hexadecimal text, spaces free, as bytes; and bytes as text in groups of four.
std::string FromHex(std::string_view hex);
std::string ToHex(std::string_view bytes);

class RawChannel {
 public:
  RawChannel() = default;
  explicit RawChannel(Fd socket);
  static RawChannel Connect(const std::string& path);

  int fd() const { return socket_.get(); }
  bool is_open() const { return static_cast<bool>(socket_); }

  // All of it with one call, the descriptors (borrowed) on its first byte. A failure when it does not fit.
  void Send(std::string_view hex, const std::vector<int>& fds = {}) const;
  void SendBytes(std::string_view bytes, const std::vector<int>& fds = {}) const;
  // As much as the socket takes without waiting; the number of bytes.
  size_t SendSome(std::string_view bytes, const std::vector<int>& fds = {}) const;

  // Exactly so many bytes; less when the peer closes or is late. Appends the descriptors that came along.
  std::string ReceiveBytes(size_t count, std::vector<Fd>* fds = nullptr) const;
  std::string Receive(size_t count, std::vector<Fd>* fds = nullptr) const {
    return ToHex(ReceiveBytes(count, fds));
  }
  // The same with one recvmsg: what has arrived, at most `count` bytes.
  std::string ReceiveOnce(size_t count, std::vector<Fd>* fds = nullptr) const;
  // A whole message, header and payload by the header's size.
  std::string ReceiveMessage(std::vector<Fd>* fds = nullptr) const;

  // Nothing has arrived that was not received, and the peer is there. Says nothing about what is under way.
  bool IsQuiet() const;
  // True when the peer closes without another byte, in order (EOF) or not (ECONNRESET).
  bool IsClosedByPeer() const;

  void HalfClose() const;  // no more from us; we still receive
  void Close() { socket_.Close(); }
  Fd Release() { return std::move(socket_); }

 private:
  ssize_t ReceiveInto(char* space, size_t size, std::vector<Fd>* fds) const;

  Fd socket_;
};

}  // namespace shmemd::peers
