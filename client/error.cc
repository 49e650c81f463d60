#include "shmemd/error.h"

#include <absl/strings/cord.h>
#include <google/protobuf/duration.pb.h>
#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/wire_format_lite.h>

#include <algorithm>
#include <functional>
#include <utility>

namespace shmemd::client {
namespace {

using google::protobuf::internal::WireFormatLite;

constexpr char kErrorInfoUrl[] = "type.googleapis.com/google.rpc.ErrorInfo";
constexpr char kRetryInfoUrl[] = "type.googleapis.com/google.rpc.RetryInfo";

// google/rpc/*.proto is read by field numbers instead of generated code: a program that links the generated
// code of both this library and another one for the same files would not start.
constexpr int kStatusDetails = 3;
constexpr int kAnyTypeUrl = 1;
constexpr int kAnyValue = 2;
constexpr int kInfoReason = 1;
constexpr int kInfoDomain = 2;
constexpr int kInfoMetadata = 3;
constexpr int kEntryKey = 1;
constexpr int kEntryValue = 2;
constexpr int kRetryDelay = 1;

using FieldVisitor = std::function<void(int number, const std::string& value)>;

// Shows the texts, bytes and messages of a message, as far as it can be read.
void EachField(const std::string& message, const FieldVisitor& visit) {
  google::protobuf::io::CodedInputStream input(reinterpret_cast<const uint8_t*>(message.data()),
                                               static_cast<int>(message.size()));
  while (const uint32_t tag = input.ReadTag()) {
    if (WireFormatLite::GetTagWireType(tag) != WireFormatLite::WIRETYPE_LENGTH_DELIMITED) {
      if (!WireFormatLite::SkipField(&input, tag)) return;
      continue;
    }
    std::string value;
    if (!WireFormatLite::ReadBytes(&input, &value)) return;
    visit(WireFormatLite::GetTagFieldNumber(tag), value);
  }
}

// Two fields of a message that has no more to say.
std::pair<std::string, std::string> TwoFields(const std::string& message, int first, int second) {
  std::pair<std::string, std::string> fields;
  EachField(message, [&](int number, const std::string& value) {
    if (number == first) fields.first = value;
    if (number == second) fields.second = value;
  });
  return fields;
}

std::optional<std::string> Payload(const absl::Status& status, const char* url) {
  const auto payload = status.GetPayload(url);
  if (!payload.has_value()) return std::nullopt;
  return std::string(*payload);
}

}  // namespace

absl::Status FromRpc(const grpc::Status& status) {
  if (status.ok()) return absl::OkStatus();
  absl::Status converted(static_cast<absl::StatusCode>(status.error_code()), status.error_message());
  EachField(status.error_details(), [&](int number, const std::string& value) {
    if (number != kStatusDetails) return;
    auto [url, detail] = TwoFields(value, kAnyTypeUrl, kAnyValue);
    if (!url.empty()) converted.SetPayload(url, absl::Cord(std::move(detail)));
  });
  return converted;
}

ErrorInfo ErrorInfoOf(const absl::Status& status) {
  ErrorInfo info;
  EachField(Payload(status, kErrorInfoUrl).value_or(""), [&](int number, const std::string& value) {
    if (number == kInfoReason) info.reason = value;
    if (number == kInfoDomain) info.domain = value;
    if (number == kInfoMetadata) info.metadata.insert(TwoFields(value, kEntryKey, kEntryValue));
  });
  return info;
}

std::string ErrorReason(const absl::Status& status) { return ErrorInfoOf(status).reason; }

std::optional<std::chrono::milliseconds> RetryDelay(const absl::Status& status) {
  constexpr int64_t kMaxSeconds = int64_t{24} * 60 * 60;
  const std::optional<std::string> payload = Payload(status, kRetryInfoUrl);
  if (!payload) return std::nullopt;
  google::protobuf::Duration delay;
  EachField(*payload, [&](int number, const std::string& value) {
    if (number == kRetryDelay && !delay.ParseFromString(value)) delay.Clear();
  });
  const std::chrono::milliseconds part(delay.nanos() / 1'000'000);
  const std::chrono::seconds whole(std::clamp<int64_t>(delay.seconds(), 0, kMaxSeconds));
  return std::max(whole + part, std::chrono::milliseconds(0));
}

}  // namespace shmemd::client
