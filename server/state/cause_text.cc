// Words for a Cause.
#include <absl/strings/str_cat.h>

#include <cerrno>
#include <string>
#include <string_view>

#include "server/base/posix_error.h"
#include "server/state/status.h"

namespace shmemd::state {
namespace {

absl::string_view View(std::string_view text) { return {text.data(), text.size()}; }

// "5 s", "1.5 s", "250 ms"
std::string DurationText(uint32_t milliseconds) {
  if (milliseconds < 1000) return absl::StrCat(milliseconds, " ms");
  return absl::StrCat(milliseconds / 1000.0, " s");
}

std::string CountText(uint64_t count, std::string_view noun) {
  return absl::StrCat(count == 0 ? "no" : absl::StrCat(count), " ", View(noun), count == 1 ? "" : "s");
}

// "connect: Connection refused (ECONNREFUSED)", or `otherwise` where no errno is known.
std::string ErrorText(std::string_view what, int error_number, std::string_view otherwise) {
  if (error_number == 0) return absl::StrCat(View(what), ": ", View(otherwise));
  return std::string(base::PosixError(error_number, what).message());
}

std::string MessageText(const Cause& cause, std::string_view name) {
  if (!name.empty()) return std::string(name);
  return cause.message_id == 0 ? std::string("a request") : absl::StrCat("message ", cause.message_id);
}

// What a back-end sends on the main channel are replies; on its own channel, requests.
std::string SubjectText(const Cause& cause, std::string_view name) {
  const std::string message = MessageText(cause, name);
  if (cause.on_backend_channel) return absl::StrCat(message, " on the back-end channel");
  if (cause.message_id == 0 && name.empty()) return "a message of the back-end";
  return absl::StrCat("reply to ", message);
}

std::string MismatchText(const Cause& cause) {
  switch (cause.aspect) {
    case WireAspect::kRequestId:
      return absl::StrCat("expected request id ", cause.expected, ", got ", cause.got);
    case WireAspect::kFlags:
      return absl::StrCat("expected flags 0x", absl::Hex(cause.expected), ", got 0x", absl::Hex(cause.got));
    case WireAspect::kPayloadBytes:
      // Every size that holds whole entries is accepted there; `expected` can name one only.
      if (cause.reason == StateReason::kConfigReplyMalformed) {
        return absl::StrCat("expected payload of 8 to 2056 bytes",
                            cause.got >= 8 && cause.got <= 2056 ? " in steps of 8" : "", ", got ", cause.got);
      }
      return absl::StrCat("expected payload of ", CountText(cause.expected, "byte"), ", got ", cause.got);
    case WireAspect::kFdCount:
      return absl::StrCat("expected ", CountText(cause.expected, "file descriptor"), ", got ", cause.got);
    case WireAspect::kReplyValue:
      return absl::StrCat("expected value ", cause.expected, ", got ", cause.got);
    case WireAspect::kNone:
      break;
  }
  return "not what the protocol allows";
}

std::string MismatchText(const Cause& cause, std::string_view name) {
  const bool unasked = cause.aspect == WireAspect::kRequestId && cause.expected == 0;
  if (unasked) return absl::StrCat(MessageText(cause, name), " came although nothing was asked");
  return absl::StrCat(SubjectText(cause, name), ": ", MismatchText(cause));
}

std::string ClosedText(const Cause& cause, std::string_view name) {
  std::string text =
      absl::StrCat("the back-end closed the ", cause.on_backend_channel ? "back-end channel" : "connection");
  if (cause.reason == StateReason::kClosedMidMessage) {
    absl::StrAppend(&text, " in the middle of a message");
    if (cause.expected > 0) absl::StrAppend(&text, ": expected ", cause.expected, " bytes, got ", cause.got);
  } else if (cause.message_id != 0) {
    absl::StrAppend(&text, " instead of replying to ", MessageText(cause, name));
  }
  if (cause.error_number != 0) {
    absl::StrAppend(&text, " (", View(base::PosixErrorName(cause.error_number)), ")");
  }
  return text;
}

std::string TooLargeText(const Cause& cause, std::string_view name) {
  // The id is as unchecked as the size.
  return absl::StrCat(MessageText(cause, name), ": expected payload of at most ", cause.expected,
                      " bytes, got ", cause.got);
}

std::string OlderBitText(const Cause& cause) {
  return absl::StrCat("the back-end does not offer protocol feature SHMEM (bit 22), but ",
                      cause.got == 0 ? "a bit" : absl::StrCat("bit ", cause.got),
                      " that stood for it in an earlier draft");
}

}  // namespace

std::string CauseText(const Cause& cause, std::string_view message_name) {
  switch (cause.reason) {
    case StateReason::kNone:
      return {};
    case StateReason::kSocketMissing:
      return ErrorText("connect", cause.error_number, "the socket does not exist");
    case StateReason::kConnectionRefused:
      return ErrorText("connect", cause.error_number, "nobody listens on the socket");
    case StateReason::kConnectFailed:
      return ErrorText("connect", cause.error_number, "failed");
    case StateReason::kConnectTimeout:
      return absl::StrCat("connect: not accepted within ", DurationText(cause.waited_ms));
    case StateReason::kClosedByBackend:
    case StateReason::kClosedMidMessage:
      return ClosedText(cause, message_name);
    case StateReason::kReplyTimeout:
      return absl::StrCat("no reply to ", MessageText(cause, message_name), " within ",
                          DurationText(cause.waited_ms));
    case StateReason::kProtocolError:
    case StateReason::kUnexpectedFds:
    case StateReason::kConfigReplyMalformed:
      return MismatchText(cause, message_name);
    case StateReason::kMessageTooLarge:
      return TooLargeText(cause, message_name);
    case StateReason::kNoProtocolFeatures:
      if (cause.message_id != 0) return "the front-end did not set protocol features";
      return "the back-end does not offer VHOST_USER_F_PROTOCOL_FEATURES (bit 30 of GET_FEATURES)";
    case StateReason::kShmemNotOffered:
      if (cause.message_id != 0)  // what the front-end set is where it is missing
        return "the front-end did not acknowledge protocol feature SHMEM (bit 22)";
      return "the back-end does not offer protocol feature SHMEM (bit 22)";
    case StateReason::kShmemOlderBit:
      return OlderBitText(cause);
    case StateReason::kSystemError:
      if (cause.error_number == EMFILE)
        return "shmemd has reached its own limit of open descriptors (EMFILE)";
      return ErrorText(message_name.empty() ? "shmemd" : message_name, cause.error_number,
                       "a system call failed");
    case StateReason::kClosedByShmemd:
      return "closed by shmemd";
    case StateReason::kRequestRefused:
      return absl::StrCat(MessageText(cause, message_name), " was refused: the back-end answered ",
                          cause.got);
    case StateReason::kClosedByFrontend:
      return "the front-end closed the connection";
  }
  return "unknown reason";
}

std::string UnobservedText(const Observation& observation) {
  const char* channel = observation.on_backend_channel ? "the back-end channel" : "the main channel";
  switch (observation.reason) {
    case UnobservedReason::kNone:
      return {};
    case UnobservedReason::kPairingLost:
      return absl::StrCat("PAIRING_LOST: on ", channel, " an answer to message ", observation.expected,
                          " was next, got ", observation.got);
    case UnobservedReason::kTooManyPending:
      return absl::StrCat("TOO_MANY_PENDING: more than ", observation.expected, " requests on ", channel,
                          " have no answer yet");
    case UnobservedReason::kBackendChannelOdd:
      return absl::StrCat("BACKEND_CHANNEL_ODD: SET_BACKEND_REQ_FD carried ", observation.got,
                          " descriptors, expected 1 that is a Unix stream socket");
    case UnobservedReason::kMessageTooLarge:
      return absl::StrCat("MESSAGE_TOO_LARGE: message ", observation.got, " on ", channel,
                          " is larger than shmemd looks into");
    case UnobservedReason::kTooManyMappings:
      return absl::StrCat("TOO_MANY_MAPPINGS: ", observation.got, " mappings, shmemd keeps ",
                          observation.expected, " of one back-end");
  }
  return "unknown reason";
}

}  // namespace shmemd::state
