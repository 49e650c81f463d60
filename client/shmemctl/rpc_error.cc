#include "client/shmemctl/rpc_error.h"

#include <absl/strings/str_cat.h>

#include "client/print/text.h"
#include "shmemd/error.h"

namespace shmemd::shmemctl {
namespace {

std::string Message(const absl::Status& status) {
  const std::string message(status.message().data(), status.message().size());
  return message.empty() ? "no explanation was given" : client::Printable(message, true);
}

std::string Where(const ChosenEndpoint& endpoint) {
  return endpoint.origin == "default" ? absl::StrCat(endpoint.text(), " (default)")
                                      : absl::StrCat(endpoint.text(), " (from ", endpoint.origin, ")");
}

// Nobody answered there at all, as opposed to an answer that says that something else is out of reach.
std::string DescribeUnreachable(const absl::Status& status, const ChosenEndpoint& endpoint) {
  const std::string diagnosis = DiagnoseEndpoint(endpoint);
  const bool plain_address = endpoint.path.empty() && !endpoint.tls;
  return absl::StrCat("cannot reach shmemd at ", Where(endpoint), ": ",
                      diagnosis.empty() ? Message(status) : diagnosis,
                      plain_address ? "\n  where it serves TLS: --ca FILE --cert FILE --key FILE" : "");
}

// Where the role is served: the server knows best.
std::string AdminRoleHint(const client::ErrorInfo& info) {
  const auto socket = info.metadata.find("admin_socket");
  std::string text = "\n  this needs the admin role: ask at the admin socket, --endpoint unix:";
  if (socket == info.metadata.end()) {
    return absl::StrCat(text, client::kAdminSocket, " unless configured otherwise, as its owner");
  }
  if (socket->second.empty()) return "\n  this needs the admin role, which this shmemd serves nowhere";
  return absl::StrCat(text, client::Printable(socket->second, true), ", as its owner");
}

// What an operator can do about it.
std::string RemedyOf(const std::string& reason) {
  struct Remedy {
    const char* reason;
    const char* text;
  };
  constexpr Remedy kRemedies[] = {
      {"QUERY_NOT_ALLOWED",
       "a relay asks a back-end only with query: inject (or --query inject); make sure that the back-end "
       "answers\n"
       "  GET_SHMEM_CONFIG: some say that they do and drop the connection of the VM"},
      {"ALREADY_ATTACHED",
       "shmemctl backends -o wide shows how; shmemctl detach it first to attach it in another way"},
      {"BACKEND_BUSY", "shmemctl backends -o wide shows who uses which socket"},
      {"TOO_MANY_BACKENDS", "limits.max_backends in the configuration says how many there may be"},
      {"STATE_NOT_SAVED", "nothing was changed: state_dir of this shmemd cannot be written to"},
  };
  for (const Remedy& remedy : kRemedies) {
    if (reason == remedy.reason) return remedy.text;
  }
  return "";
}

}  // namespace

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

std::string DescribeError(const absl::Status& status, const ChosenEndpoint& endpoint) {
  const std::string reason = client::Printable(client::ErrorReason(status), false);
  if (status.code() == absl::StatusCode::kUnavailable && reason.empty())
    return DescribeUnreachable(status, endpoint);
  if (status.code() == absl::StatusCode::kDeadlineExceeded && reason.empty()) {
    return absl::StrCat("shmemd at ", Where(endpoint), " did not answer in time (--timeout sets the limit)");
  }
  std::string text = Message(status);
  absl::StrAppend(&text, " [", absl::StatusCodeToString(status.code()), reason.empty() ? "" : ", ", reason,
                  "; asked ", Where(endpoint), "]");
  if (reason == "ADMIN_ROLE_REQUIRED") text += AdminRoleHint(client::ErrorInfoOf(status));
  if (const std::string remedy = RemedyOf(reason); !remedy.empty()) absl::StrAppend(&text, "\n  ", remedy);
  return text;
}

}  // namespace shmemd::shmemctl
