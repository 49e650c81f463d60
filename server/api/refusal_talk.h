// The server's half of an HTTP/2 connection that answers every gRPC call with one and the same error: bytes
// in, bytes out. For peers that are to be told why they are refused without being let in to gRPC.
//
// Knows of HTTP/2 (RFC 9113) where a frame ends and which begin a call; header blocks are not even decoded.
// Pure; bounded: keeps at most one frame header, and answers a few calls and pings.
#pragma once

#include <grpcpp/support/status.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace shmemd::api {

class RefusalTalk {
 public:
  // Has our SETTINGS to send at once.
  explicit RefusalTalk(const grpc::Status& status);

  // What the peer sent. False: this is no HTTP/2, or enough was answered; send what is left and close.
  bool Receive(std::string_view bytes);
  // What is to be sent; emptied by whoever sends it.
  std::string& output() { return output_; }

 private:
  enum class Part { kPreface, kHeader, kPayload };
  struct Frame {
    uint32_t length = 0;
    uint8_t type = 0;
    uint8_t flags = 0;
    uint32_t stream = 0;
  };

  bool PrefaceByte(char byte);
  bool HeaderByte(char byte);
  void PayloadByte(char byte);
  bool FrameEnded();
  bool AnswerCall(uint32_t stream);
  void Send(uint8_t type, uint8_t flags, uint32_t stream, std::string_view payload);

  const std::string header_block_;  // the answer to a call
  Part part_ = Part::kPreface;
  size_t preface_bytes_ = 0;
  std::string header_;  // of the frame that is being read
  Frame frame_;
  uint32_t payload_bytes_ = 0;
  std::string ping_;
  int answers_ = 0;
  std::string output_;
};

}  // namespace shmemd::api
