#include "server/api/call_gate.h"

#include <absl/strings/escaping.h>
#include <absl/strings/str_cat.h>
#include <grpc/grpc_security_constants.h>
#include <grpcpp/security/auth_context.h>

#include <memory>
#include <vector>

#include "server/api/errors.h"
#include "server/base/clock.h"

namespace shmemd::api {
namespace {

// A certificate can have thousands of names; an error's trailers cannot.
constexpr size_t kMaxNamesShown = 8;
constexpr size_t kMaxNameBytes = 96;  // as it is shown
constexpr int64_t kRetryWhenFullNs = 1'000'000'000;

std::string Text(const grpc::string_ref& text) { return {text.data(), text.size()}; }

void Append(const grpc::AuthContext& context, const char* property, Identity::Kind kind,
            std::vector<Identity>& out) {
  for (const grpc::string_ref& value : context.FindPropertyValues(property)) {
    out.push_back({kind, Text(value)});
  }
}

// Connections on which others take more than their share are left this much.
constexpr int64_t kAlwaysAdmitted = 8;

bool IsUnix(const std::string& peer) { return peer.starts_with("unix"); }

// Of "ipv4:10.0.0.1:5000" without the port: it is another one for each connection.
std::string AddressOf(const std::string& peer) {
  return IsUnix(peer) ? "a peer on the Unix socket" : peer.substr(0, peer.rfind(':'));
}

// What the certificate calls its owner; it may hold any bytes.
std::string Shown(const std::vector<Identity>& identities) {
  std::string text;
  for (size_t i = 0; i < identities.size() && i < kMaxNamesShown; ++i) {
    absl::StrAppend(&text, i == 0 ? "" : ", ",
                    absl::CHexEscape(identities[i].Text().substr(0, kMaxNameBytes)).substr(0, kMaxNameBytes));
  }
  if (identities.size() > kMaxNamesShown) {
    absl::StrAppend(&text, " and ", identities.size() - kMaxNamesShown, " more");
  }
  return text;
}

}  // namespace

CallGate::Caller CallGate::CallerOf(const grpc::ServerContextBase& context,
                                    OpenCalls::Connection connection) {
  Caller caller;
  const std::string peer = context.peer();
  caller.name = caller.rate_key = AddressOf(peer);
  const std::shared_ptr<const grpc::AuthContext> auth = context.auth_context();
  const auto kind = auth->FindPropertyValues(GRPC_TRANSPORT_SECURITY_TYPE_PROPERTY_NAME);
  caller.tls = !kind.empty() && kind.front() == GRPC_SSL_TRANSPORT_SECURITY_TYPE;
  if (!caller.tls) {
    // On this host an address says nothing: everybody has it.
    caller.rate_key = absl::StrCat(reinterpret_cast<uintptr_t>(connection));
    return caller;
  }
  Append(*auth, GRPC_PEER_DNS_PROPERTY_NAME, Identity::Kind::kDns, caller.identities);
  Append(*auth, GRPC_PEER_URI_PROPERTY_NAME, Identity::Kind::kUri, caller.identities);
  Append(*auth, GRPC_PEER_EMAIL_PROPERTY_NAME, Identity::Kind::kEmail, caller.identities);
  Append(*auth, GRPC_PEER_IP_PROPERTY_NAME, Identity::Kind::kIp, caller.identities);
  if (!caller.identities.empty()) caller.name = caller.rate_key = Shown({caller.identities.front()});
  return caller;
}

grpc::Status CallGate::Admit(grpc::ServerContextBase& context) {
  if (open_.closed()) {
    return Error(grpc::StatusCode::UNAVAILABLE, Reason::kShuttingDown, "shmemd is shutting down");
  }
  const OpenCalls::Connection connection = OpenCalls::ConnectionOf(context);
  const Caller caller = CallerOf(context, connection);
  grpc::Status status = Judge(caller, connection);
  if (!status.ok()) log_.Warn(absl::StrCat("refused a call of ", caller.name, ": ", status.error_message()));
  return status;
}

grpc::Status CallGate::Judge(const Caller& caller, OpenCalls::Connection connection) {
  if (const int64_t wait_ns = rate_.Take(caller.rate_key, base::MonotonicNanos()); wait_ns > 0) {
    return WithRetry(Error(grpc::StatusCode::RESOURCE_EXHAUSTED, Reason::kRateLimited,
                           absl::StrCat("expected at most ", limits_.max_calls_per_second,
                                        " calls a second (limits.max_calls_per_second)"),
                           {{"limit", absl::StrCat(limits_.max_calls_per_second)}}),
                     wait_ns);
  }
  if (caller.tls && !identities_.Admits(caller.identities)) {
    const std::string names = Shown(caller.identities);
    return Error(grpc::StatusCode::PERMISSION_DENIED, Reason::kIdentityNotAllowed,
                 absl::StrCat("the client's certificate ",
                              names.empty() ? "has no subject alternative name" : "names " + names, "; ",
                              setting_, " has ", names.empty() ? "no place for that" : "none of these"),
                 {{"identities", names}, {"setting", setting_}});
  }
  return JudgeRoom(connection);
}

grpc::Status CallGate::JudgeRoom(OpenCalls::Connection connection) const {
  const OpenCalls::Counts open = open_.CountsOf(connection);
  // Twice, because a stream that was cancelled is counted until it has ended here, too.
  const bool too_many_here = open.of_connection > 2 * int64_t{limits_.max_streams};
  const bool too_many = open.all > limits_.max_open_calls && open.of_connection > kAlwaysAdmitted;
  if (!too_many_here && !too_many) return grpc::Status::OK;
  const int64_t limit = too_many_here ? limits_.max_streams : limits_.max_open_calls;
  return WithRetry(Error(grpc::StatusCode::RESOURCE_EXHAUSTED, Reason::kTooManyCalls,
                         absl::StrCat("expected at most ", limit, " calls and streams at a time ",
                                      too_many_here ? "on a connection (limits.max_streams)"
                                                    : "in all (limits.max_open_calls)"),
                         {{"limit", absl::StrCat(limit)}}),
                   kRetryWhenFullNs);
}

}  // namespace shmemd::api
