// What is taken out of findings and events before everybody who reaches the port sees them: what names a
// file. Pure functions.
#pragma once

#include "server/state/event_log.h"
#include "server/state/findings.h"

namespace shmemd::web {

// Its sentence and its numbers are without the inode afterwards.
void Redact(state::Finding& finding);
void Redact(state::LogEntry& entry);

}  // namespace shmemd::web
