// All that a SessionTracker knows: one trivially copyable struct.
#pragma once

#include <type_traits>

#include "server/session/backend_requests.h"
#include "server/session/config_query.h"
#include "server/session/device_rings.h"
#include "server/session/memory_echo.h"
#include "server/session/negotiation.h"
#include "server/session/pending_requests.h"
#include "server/session/session_tracker.h"

namespace shmemd::session {

// SET_MEM_TABLE and ADD_MEM_REG during postcopy: the back-end answers, then the front-end confirms with a
// message of the same id, which nobody answers.
struct PostcopyExchange {
  enum class Phase : uint8_t { kNone, kAwaitsReply, kAwaitsConfirmation };

  Phase phase = Phase::kNone;
  uint32_t id = 0;
  bool listening = false;
};

struct SessionTracker::State {
  explicit State(const TrackerOptions& options) : query(options.previous_config) {}

  Negotiation negotiation;
  DeviceRings rings;
  MemoryEcho echo;
  ConfigQuery query;
  PostcopyExchange postcopy;
  PendingRequests<PendingRequest> main;
  BackendRequests backend;
  // Why a channel is not followed any more; kNone: it is.
  state::Observation main_lost;
  state::Observation backend_lost;
  state::Observation shown;
  bool deadlock_shown = false;
  bool frontend_ended = false;
  bool frontend_ended_first = false;
  bool backend_ended = false;
};

}  // namespace shmemd::session
