// events -f: what happened, then what happens.
#pragma once

#include "client/shmemctl/command_line.h"
#include "vhost/shmem/v1/inspector.pb.h"

namespace shmemd::shmemctl {

// Prints the events that `request` selects, each once, and goes on with those that come until Ctrl-C. A
// connection that breaks is made again; what cannot be told any more is noted.
ExitCode FollowEvents(Context& context, const ::vhost::shmem::v1::ListEventsRequest& request);

}  // namespace shmemd::shmemctl
