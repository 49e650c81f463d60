#include "server/vhost/framer.h"

#include <absl/strings/str_cat.h>

#include <bit>
#include <cstring>
#include <utility>

namespace shmemd::vhost {

std::span<uint8_t> MessageReader::space() {
  if (!failure_.ok()) return {};
  if (header_filled_ < kHeaderBytes) return std::span(header_bytes_).subspan(header_filled_);
  return std::span(payload_).subspan(payload_filled_);
}

absl::StatusOr<std::optional<MessageView>> MessageReader::Advance(size_t bytes) {
  if (!failure_.ok()) return failure_;
  const size_t room = space().size();
  if (bytes > room) return Fail(absl::OutOfRangeError(absl::StrCat("read ", bytes, " bytes into ", room)));
  if (bytes == 0) return std::nullopt;

  if (header_filled_ < kHeaderBytes) {
    header_filled_ += bytes;
    if (header_filled_ < kHeaderBytes) return std::nullopt;
    if (absl::Status status = BeginPayload(); !status.ok()) return Fail(std::move(status));
  } else {
    payload_filled_ += bytes;
  }
  if (payload_filled_ < payload_.size()) return std::nullopt;
  return TakeMessage();
}

absl::StatusOr<std::optional<MessageView>> MessageReader::Fail(absl::Status status) {
  failure_ = std::move(status);
  return failure_;
}

absl::Status MessageReader::BeginPayload() {
  header_ = std::bit_cast<Header>(header_bytes_);
  if (header_.size > max_payload_bytes_) {
    return absl::InvalidArgumentError(absl::StrCat("message ", header_.request,
                                                   ": expected a payload of at most ", max_payload_bytes_,
                                                   " bytes, got a size of ", header_.size));
  }
  payload_.resize(header_.size);
  payload_filled_ = 0;
  return absl::OkStatus();
}

MessageView MessageReader::TakeMessage() {
  header_filled_ = 0;
  return {header_, payload_};
}

Frame PeekFrame(std::span<const uint8_t> bytes) {
  if (bytes.size() < kHeaderBytes) return {};
  Header header;
  std::memcpy(&header, bytes.data(), sizeof(header));
  const uint64_t message_bytes = uint64_t{kHeaderBytes} + header.size;
  return {bytes.size() >= message_bytes, message_bytes};
}

}  // namespace shmemd::vhost
