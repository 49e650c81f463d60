// Who changes which back-ends are attached: implemented by the composition root, asked by ShmemAdmin.
#pragma once

#include <cstdint>
#include <string>

#include "server/feed/control.h"
#include "server/state/backend_spec.h"

namespace shmemd::api {

// Thread-safe; never waits. `done` runs exactly once: at once with kTooManyCommands or kShuttingDown, else on
// the roster's thread. What has not begun at `deadline_ns` (monotonic) is not done. When it is done readers
// see it.
class BackendRoster {
 public:
  virtual ~BackendRoster() = default;

  // What a relay is that says no more than its sockets.
  virtual state::BackendSpec relay_defaults() const = 0;

  // `validate_only`: says what would be answered, as far as that can be known without trying.
  virtual void Attach(const state::BackendSpec& spec, bool validate_only, int64_t deadline_ns,
                      feed::Control::Completion done) = 0;
  // `end_sessions`: of a relay, those that live, too.
  virtual void Detach(const std::string& backend_id, bool end_sessions, int64_t deadline_ns,
                      feed::Control::Completion done) = 0;
};

}  // namespace shmemd::api
