// What a mover does about a command to start peaks again; the same for all movers.
//
// Called on the mover's thread.
#pragma once

#include "server/feed/control.h"
#include "server/feed/publisher.h"

namespace shmemd::feed {

// `backend` is attached. kRegionNotFound when a region is named that lists do not show.
CommandResult ResetPeaks(Publisher& publisher, state::BackendHandle backend,
                         const ResetPeaksCommand& command);

}  // namespace shmemd::feed
