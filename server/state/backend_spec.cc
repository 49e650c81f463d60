#include "server/state/backend_spec.h"

#include <algorithm>

namespace shmemd::state {
namespace {

bool IsAlphanumeric(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }

}  // namespace

bool IsValidBackendId(std::string_view id) {
  if (id.empty() || id.size() > 63) return false;
  if (!IsAlphanumeric(id.front()) || !IsAlphanumeric(id.back())) return false;
  return std::all_of(id.begin(), id.end(), [](char c) { return IsAlphanumeric(c) || c == '-' || c == '.'; });
}

bool Listens(const BackendSpec& spec) {
  return spec.mode == Mode::kRelay &&
         (spec.frontend_role == SocketRole::kListen || spec.backend_role == SocketRole::kListen);
}

bool IsSameWay(const BackendSpec& one, const BackendSpec& other) {
  BackendSpec alike = other;
  alike.origin = one.origin;
  if (!Listens(one)) {
    alike.socket_mode = one.socket_mode;
    alike.socket_owner = one.socket_owner;
    alike.socket_group = one.socket_group;
  }
  return one == alike;
}

const char* ModeName(Mode mode) {
  switch (mode) {
    case Mode::kRelay:
      return "relay";
    case Mode::kFrontend:
      return "frontend";
    case Mode::kProbe:
      return "probe";
  }
  return "unknown";
}

const char* QueryName(Query query) { return query == Query::kInject ? "inject" : "snoop"; }

const char* GuardName(Guard guard) {
  switch (guard) {
    case Guard::kOff:
      return "off";
    case Guard::kWarn:
      return "warn";
    case Guard::kProtect:
      return "protect";
  }
  return "unknown";
}

const char* OnBackendMissingName(OnBackendMissing what) {
  return what == OnBackendMissing::kRefuse ? "refuse" : "wait";
}

}  // namespace shmemd::state
