// What a back-end is before anything was heard of it: how it is named and reached.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace shmemd::state {

enum class Mode : uint8_t { kRelay, kFrontend, kProbe };
enum class Origin : uint8_t { kConfig, kRpc };

// How a side of a relay is reached.
enum class SocketRole : uint8_t { kConnect, kListen };
// Relay: whether shmemd asks GET_SHMEM_CONFIG itself when the VMM has not.
enum class Query : uint8_t { kSnoop, kInject };
// Relay: what is done about requests that are known to hurt a VMM.
enum class Guard : uint8_t { kOff, kWarn, kProtect };
// Relay: what becomes of a VMM that connects while the back-end is not there.
enum class OnBackendMissing : uint8_t { kWait, kRefuse };

struct BackendSpec {
  std::string id;              // [a-z0-9]([-a-z0-9.]{0,61}[a-z0-9])?
  std::string backend_socket;  // absolute path that we connect to, or listen at (backend_role)
  Mode mode = Mode::kFrontend;
  Origin origin = Origin::kConfig;

  // Relay only from here on.
  std::string frontend_socket = {};  // absolute path; empty in other modes
  SocketRole frontend_role = SocketRole::kListen;
  SocketRole backend_role = SocketRole::kConnect;
  Query query = Query::kSnoop;
  Guard guard = Guard::kWarn;
  OnBackendMissing on_backend_missing = OnBackendMissing::kWait;
  // Of the sockets that we listen at. owner, group: -1 as created (the group: that of the directory).
  uint32_t socket_mode = 0660;
  int64_t socket_owner = -1;
  int64_t socket_group = -1;

  bool operator==(const BackendSpec&) const = default;
};

bool IsValidBackendId(std::string_view id);

// Whether both attach the same back-end in the same way. Who named it does not count, nor what is said of
// sockets that we listen at where we listen at none.
bool IsSameWay(const BackendSpec& one, const BackendSpec& other);
// Whether we listen at one of its sockets.
bool Listens(const BackendSpec& spec);

// "relay", "frontend", "probe".
const char* ModeName(Mode mode);
const char* QueryName(Query query);                       // "snoop"
const char* GuardName(Guard guard);                       // "warn"
const char* OnBackendMissingName(OnBackendMissing what);  // "wait"

}  // namespace shmemd::state
