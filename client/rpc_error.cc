#include "client/rpc_error.h"

#include <absl/strings/cord.h>
#include <absl/strings/str_cat.h>
#include <google/rpc/error_details.pb.h>
#include <google/rpc/status.pb.h>

#include "client/text.h"

namespace shmemd::client {
namespace {

constexpr char kErrorInfoUrl[] = "type.googleapis.com/google.rpc.ErrorInfo";

std::string Message(const absl::Status& status) {
  const std::string message(status.message().data(), status.message().size());
  return message.empty() ? "no explanation was given" : Printable(message, true);
}

std::string Where(const Endpoint& endpoint) {
  return endpoint.origin == "default" ? absl::StrCat(endpoint.text(), " (default)")
                                      : absl::StrCat(endpoint.text(), " (from ", endpoint.origin, ")");
}

// Nobody answered there at all, as opposed to an answer that says that something else is out of reach.
std::string DescribeUnreachable(const absl::Status& status, const Endpoint& endpoint) {
  const std::string diagnosis = DiagnoseEndpoint(endpoint);
  return absl::StrCat("cannot reach shmemd at ", Where(endpoint), ": ",
                      diagnosis.empty() ? Message(status) : diagnosis);
}

// Empty where the server sent none.
google::rpc::ErrorInfo InfoOf(const absl::Status& status) {
  const auto payload = status.GetPayload(kErrorInfoUrl);
  google::rpc::ErrorInfo info;
  if (!payload.has_value() || !info.ParseFromString(std::string(*payload))) info.Clear();
  return info;
}

// Where the role is served: the server knows best.
std::string AdminRoleHint(const google::rpc::ErrorInfo& info) {
  const auto socket = info.metadata().find("admin_socket");
  std::string text = "\n  this needs the admin role: ask at the admin socket, --endpoint unix:";
  if (socket == info.metadata().end()) {
    return absl::StrCat(text, kAdminSocket, " unless configured otherwise, as its owner");
  }
  if (socket->second.empty()) return "\n  this needs the admin role, which this shmemd serves nowhere";
  return absl::StrCat(text, Printable(socket->second, true), ", as its owner");
}

}  // namespace

absl::Status FromRpc(const grpc::Status& status) {
  if (status.ok()) return absl::OkStatus();
  absl::Status converted(static_cast<absl::StatusCode>(status.error_code()), status.error_message());
  google::rpc::Status details;
  if (!details.ParseFromString(status.error_details())) return converted;
  for (const google::protobuf::Any& detail : details.details()) {
    if (detail.type_url() == kErrorInfoUrl) converted.SetPayload(kErrorInfoUrl, absl::Cord(detail.value()));
  }
  return converted;
}

std::string ErrorReason(const absl::Status& status) { return Printable(InfoOf(status).reason(), false); }

ExitCode ExitCodeOf(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kOk:
      return ExitCode::kOk;
    case absl::StatusCode::kUnavailable:
      return ExitCode::kUnreachable;
    case absl::StatusCode::kNotFound:
      return ExitCode::kNotFound;
    case absl::StatusCode::kDeadlineExceeded:
      return ExitCode::kTimeout;
    case absl::StatusCode::kInvalidArgument:
      return ExitCode::kUsage;
    default:
      return ExitCode::kGeneric;
  }
}

std::string DescribeError(const absl::Status& status, const Endpoint& endpoint) {
  const std::string reason = ErrorReason(status);
  if (status.code() == absl::StatusCode::kUnavailable && reason.empty())
    return DescribeUnreachable(status, endpoint);
  if (status.code() == absl::StatusCode::kDeadlineExceeded && reason.empty()) {
    return absl::StrCat("shmemd at ", Where(endpoint), " did not answer in time (--timeout sets the limit)");
  }
  std::string text = Message(status);
  absl::StrAppend(&text, " [", absl::StatusCodeToString(status.code()), reason.empty() ? "" : ", ", reason,
                  "; asked ", Where(endpoint), "]");
  if (reason == "ADMIN_ROLE_REQUIRED") text += AdminRoleHint(InfoOf(status));
  if (reason == "QUERY_NOT_ALLOWED") {
    absl::StrAppend(
        &text,
        "\n  a relay asks a back-end only with query: inject (or --query inject); make sure that the "
        "back-end answers\n  GET_SHMEM_CONFIG: some say that they do and drop the connection of the VM");
  }
  return text;
}

}  // namespace shmemd::client
