#include "server/api/refusal_talk.h"

#include <absl/strings/escaping.h>
#include <absl/strings/str_cat.h>

namespace shmemd::api {
namespace {

constexpr std::string_view kPreface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
constexpr size_t kFrameHeaderBytes = 9;
constexpr uint32_t kMaxFrameBytes = 16384;  // the least that everybody may send, and all that we allow
constexpr int kMaxAnswers = 32;             // calls, pings and settings together

constexpr uint8_t kHeaders = 0x1;
constexpr uint8_t kSettings = 0x4;
constexpr uint8_t kPing = 0x6;
constexpr uint8_t kGoAway = 0x7;
constexpr uint8_t kContinuation = 0x9;
constexpr uint8_t kAck = 0x1;
constexpr uint8_t kEndStream = 0x1;
constexpr uint8_t kEndHeaders = 0x4;
constexpr uint32_t kPingBytes = 8;

// HPACK (RFC 7541): a length with a prefix of seven bits, then the bytes as they are.
void AppendText(std::string_view text, std::string& out) {
  size_t rest = text.size();
  if (rest < 127) {
    out.push_back(static_cast<char>(rest));
  } else {
    out.push_back(127);
    for (rest -= 127; rest >= 128; rest /= 128) out.push_back(static_cast<char>(rest % 128 + 128));
    out.push_back(static_cast<char>(rest));
  }
  out.append(text);
}

// A literal field that is not indexed: needs no state on either side.
void AppendField(std::string_view name, std::string_view value, std::string& out) {
  out.push_back(0);
  AppendText(name, out);
  AppendText(value, out);
}

// grpc-message: what is no printable ASCII, and '%', as %XX.
std::string PercentEncoded(const std::string& text) {
  constexpr char kHex[] = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    if (c >= ' ' && c <= '~' && c != '%') {
      out.push_back(c);
      continue;
    }
    const auto byte = static_cast<unsigned char>(c);
    out.append({'%', kHex[byte / 16], kHex[byte % 16]});
  }
  return out;
}

// "Trailers-Only" of gRPC over HTTP/2.
std::string HeaderBlockOf(const grpc::Status& status) {
  std::string block("\x88");  // :status 200, from HPACK's static table
  AppendField("content-type", "application/grpc", block);
  AppendField("grpc-status", absl::StrCat(static_cast<int>(status.error_code())), block);
  AppendField("grpc-message", PercentEncoded(status.error_message()), block);
  AppendField("grpc-status-details-bin", absl::Base64Escape(status.error_details()), block);
  return block;
}

}  // namespace

RefusalTalk::RefusalTalk(const grpc::Status& status) : header_block_(HeaderBlockOf(status)) {
  Send(kSettings, 0, 0, "");
}

bool RefusalTalk::Receive(std::string_view bytes) {
  for (const char byte : bytes) {
    bool go_on = true;
    switch (part_) {
      case Part::kPreface:
        go_on = PrefaceByte(byte);
        break;
      case Part::kHeader:
        go_on = HeaderByte(byte);
        break;
      case Part::kPayload:
        PayloadByte(byte);
        break;
    }
    if (!go_on) return false;
    if (part_ != Part::kPayload || payload_bytes_ < frame_.length) continue;
    part_ = Part::kHeader;
    if (!FrameEnded()) return false;
  }
  return true;
}

bool RefusalTalk::PrefaceByte(char byte) {
  if (byte != kPreface[preface_bytes_]) return false;
  if (++preface_bytes_ == kPreface.size()) part_ = Part::kHeader;
  return true;
}

bool RefusalTalk::HeaderByte(char byte) {
  header_.push_back(byte);
  if (header_.size() < kFrameHeaderBytes) return true;
  const auto at = [this](size_t i) { return static_cast<uint32_t>(static_cast<unsigned char>(header_[i])); };
  frame_.length = at(0) << 16 | at(1) << 8 | at(2);
  frame_.type = static_cast<uint8_t>(at(3));
  frame_.flags = static_cast<uint8_t>(at(4));
  frame_.stream = (at(5) << 24 | at(6) << 16 | at(7) << 8 | at(8)) & 0x7fffffff;
  header_.clear();
  ping_.clear();
  payload_bytes_ = 0;
  part_ = Part::kPayload;
  return frame_.length <= kMaxFrameBytes;
}

void RefusalTalk::PayloadByte(char byte) {
  ++payload_bytes_;
  if (frame_.type == kPing && ping_.size() < kPingBytes) ping_.push_back(byte);
}

bool RefusalTalk::FrameEnded() {
  const bool ack = (frame_.flags & kAck) != 0;
  switch (frame_.type) {
    case kHeaders:
    case kContinuation:
      if ((frame_.flags & kEndHeaders) == 0) return true;
      return frame_.stream != 0 && AnswerCall(frame_.stream);
    case kSettings:
      if (ack) return true;
      Send(kSettings, kAck, 0, "");
      break;
    case kPing:
      if (ack || ping_.size() != kPingBytes) return ack;
      Send(kPing, kAck, 0, ping_);
      break;
    case kGoAway:
      return false;
    default:
      return true;
  }
  return ++answers_ < kMaxAnswers;
}

bool RefusalTalk::AnswerCall(uint32_t stream) {
  Send(kHeaders, kEndStream | kEndHeaders, stream, header_block_);
  return ++answers_ < kMaxAnswers;
}

void RefusalTalk::Send(uint8_t type, uint8_t flags, uint32_t stream, std::string_view payload) {
  const auto length = static_cast<uint32_t>(payload.size());
  const uint32_t numbers[] = {length >> 16, length >> 8,  length,      type,  flags,
                              stream >> 24, stream >> 16, stream >> 8, stream};
  for (const uint32_t number : numbers) output_.push_back(static_cast<char>(number & 0xff));
  output_.append(payload);
}

}  // namespace shmemd::api
