#include "server/convert/backend_spec.h"

#include <absl/strings/str_cat.h>

#include <limits>
#include <optional>

namespace shmemd::convert {
namespace {

constexpr uint32_t kMostMode = 0777;
// For chown it means that nothing is changed.
constexpr uint32_t kNobody = std::numeric_limits<uint32_t>::max();

std::optional<state::Mode> ModeOf(v1::Backend::Mode mode) {
  switch (mode) {
    case v1::Backend::RELAY:
      return state::Mode::kRelay;
    case v1::Backend::FRONTEND:
      return state::Mode::kFrontend;
    case v1::Backend::PROBE:
      return state::Mode::kProbe;
    default:
      return std::nullopt;
  }
}

class SpecReader {
 public:
  SpecReader(const v1::Backend& backend, const state::BackendSpec& relay_defaults)
      : backend_(backend), relay_defaults_(relay_defaults) {}

  SpecReading Read() {
    const std::optional<state::Mode> mode = ModeOf(backend_.mode());
    if (!mode) {
      Wrong("mode", "expected RELAY, FRONTEND or PROBE");
      return std::move(reading_);
    }
    if (*mode == state::Mode::kRelay) {
      spec() = relay_defaults_;
      ReadRelay();
    } else {
      RefuseRelayFields();
    }
    spec().mode = *mode;
    spec().origin = state::Origin::kRpc;
    spec().backend_socket = backend_.backend_socket();
    return std::move(reading_);
  }

 private:
  state::BackendSpec& spec() { return reading_.spec; }

  void Wrong(const std::string& field, const std::string& what) {
    if (!reading_.field.empty()) return;
    reading_.field = field;
    reading_.wrong = what;
  }

  void RefuseRelayFields() {
    const auto refuse = [&](bool set, const char* field) {
      if (set) Wrong(field, "is for mode RELAY only");
    };
    refuse(!backend_.frontend_socket().empty(), "frontend_socket");
    refuse(backend_.frontend_socket_role() != v1::Backend::SOCKET_ROLE_UNSPECIFIED, "frontend_socket_role");
    refuse(backend_.backend_socket_role() != v1::Backend::SOCKET_ROLE_UNSPECIFIED &&
               backend_.backend_socket_role() != v1::Backend::CONNECT,
           "backend_socket_role");
    refuse(backend_.query() != v1::Backend::QUERY_UNSPECIFIED, "query");
    refuse(backend_.guard() != v1::Backend::GUARD_UNSPECIFIED, "guard");
    refuse(backend_.on_backend_missing() != v1::Backend::ON_BACKEND_MISSING_UNSPECIFIED,
           "on_backend_missing");
    refuse(backend_.has_listen_options(), "listen_options");
  }

  void ReadRole(v1::Backend::SocketRole given, const char* field, state::SocketRole& role) {
    if (given == v1::Backend::SOCKET_ROLE_UNSPECIFIED) return;
    if (given != v1::Backend::CONNECT && given != v1::Backend::LISTEN)
      return Wrong(field, "expected CONNECT or LISTEN");
    role = given == v1::Backend::LISTEN ? state::SocketRole::kListen : state::SocketRole::kConnect;
  }

  void ReadRelay() {
    spec().frontend_socket = backend_.frontend_socket();
    ReadRole(backend_.frontend_socket_role(), "frontend_socket_role", spec().frontend_role);
    ReadRole(backend_.backend_socket_role(), "backend_socket_role", spec().backend_role);
    ReadChoices();
    if (backend_.has_listen_options()) ReadListenOptions(backend_.listen_options());
  }

  void ReadChoices() {
    switch (backend_.query()) {
      case v1::Backend::QUERY_UNSPECIFIED:
        break;
      case v1::Backend::SNOOP:
        spec().query = state::Query::kSnoop;
        break;
      case v1::Backend::INJECT:
        spec().query = state::Query::kInject;
        break;
      default:
        Wrong("query", "expected SNOOP or INJECT");
    }
    switch (backend_.guard()) {
      case v1::Backend::GUARD_UNSPECIFIED:
        break;
      case v1::Backend::OFF:
        spec().guard = state::Guard::kOff;
        break;
      case v1::Backend::WARN:
        spec().guard = state::Guard::kWarn;
        break;
      case v1::Backend::PROTECT:
        spec().guard = state::Guard::kProtect;
        break;
      default:
        Wrong("guard", "expected OFF, WARN or PROTECT");
    }
    switch (backend_.on_backend_missing()) {
      case v1::Backend::ON_BACKEND_MISSING_UNSPECIFIED:
        break;
      case v1::Backend::WAIT:
        spec().on_backend_missing = state::OnBackendMissing::kWait;
        break;
      case v1::Backend::REFUSE:
        spec().on_backend_missing = state::OnBackendMissing::kRefuse;
        break;
      default:
        Wrong("on_backend_missing", "expected WAIT or REFUSE");
    }
  }

  // Said as a whole: what it leaves out is as its field says.
  void ReadListenOptions(const v1::ListenOptions& options) {
    const state::BackendSpec plain;
    spec().socket_mode = options.has_mode() ? options.mode() : plain.socket_mode;
    spec().socket_owner = options.has_uid() ? options.uid() : plain.socket_owner;
    spec().socket_group = options.has_gid() ? options.gid() : plain.socket_group;
    if (spec().socket_mode > kMostMode)
      Wrong("listen_options.mode", absl::StrCat("expected at most 0777 (511), got ", options.mode()));
    if (options.has_uid() && options.uid() == kNobody)
      Wrong("listen_options.uid", absl::StrCat("expected less than ", kNobody));
    if (options.has_gid() && options.gid() == kNobody)
      Wrong("listen_options.gid", absl::StrCat("expected less than ", kNobody));
  }

  const v1::Backend& backend_;
  const state::BackendSpec& relay_defaults_;
  SpecReading reading_;
};

}  // namespace

SpecReading ReadSpec(const v1::Backend& backend, const state::BackendSpec& relay_defaults) {
  return SpecReader(backend, relay_defaults).Read();
}

}  // namespace shmemd::convert
