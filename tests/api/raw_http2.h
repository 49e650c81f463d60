// HTTP/2 by hand, for what no gRPC client would send.
#pragma once

#include <sys/socket.h>
#include <sys/un.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "server/base/unique_fd.h"

namespace shmemd::api::http2 {

inline constexpr uint8_t kData = 0;
inline constexpr uint8_t kHeaders = 1;
inline constexpr uint8_t kReset = 3;
inline constexpr uint8_t kSettings = 4;
inline constexpr uint8_t kPing = 6;
inline constexpr uint8_t kAck = 1;
inline constexpr uint8_t kEndStream = 1;
inline constexpr uint8_t kEndHeaders = 4;

inline std::string Frame(uint8_t type, uint8_t flags, uint32_t stream, const std::string& payload = {}) {
  std::string frame;
  const auto length = static_cast<uint32_t>(payload.size());
  for (const uint32_t byte : {length >> 16, length >> 8, length, uint32_t{type}, uint32_t{flags},
                              stream >> 24, stream >> 16, stream >> 8, stream}) {
    frame.push_back(static_cast<char>(byte & 0xff));
  }
  return frame + payload;
}

inline const std::string& Preface() {
  static const auto& preface = *new std::string("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + Frame(kSettings, 0, 0));
  return preface;
}

// Name and value have less than 127 bytes.
inline std::string Header(std::string_view name, std::string_view value) {
  std::string header(1, '\0');
  header.push_back(static_cast<char>(name.size()));
  header.append(name);
  header.push_back(static_cast<char>(value.size()));
  return header.append(value);
}

// The header block of a gRPC call.
inline std::string CallHeaders(const std::string& path, std::string_view scheme = "http",
                               std::string_view te = "trailers") {
  return Header(":method", "POST") + Header(":scheme", scheme) + Header(":path", path) +
         Header(":authority", "x") + Header("content-type", "application/grpc") + Header("te", te);
}

// A gRPC message without bytes.
inline std::string EmptyMessage() { return std::string(5, '\0'); }

inline base::UniqueFd Connect(const std::string& path) {
  base::UniqueFd connection(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof(address.sun_path) - 1);
  if (connect(connection.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0) return {};
  return connection;
}

// False: the other side has closed.
inline bool Send(int connection, const std::string& bytes) {
  size_t sent = 0;
  while (sent < bytes.size()) {
    const ssize_t n = send(connection, bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
    if (n <= 0) return false;
    sent += static_cast<size_t>(n);
  }
  return true;
}

// The settings of a client that takes no byte of data: nothing of an answer but its headers is sent.
inline std::string ClosedWindow() {
  return Frame(kSettings, 0, 0, std::string("\0\x04\0\0\0\0", 6));  // SETTINGS_INITIAL_WINDOW_SIZE: 0
}

// Throws away what has come. False: the other side has closed.
inline bool Drain(int connection) {
  char bytes[65536];
  ssize_t n = 0;
  while ((n = recv(connection, bytes, sizeof(bytes), MSG_DONTWAIT)) > 0) {
  }
  return n < 0;
}

}  // namespace shmemd::api::http2
