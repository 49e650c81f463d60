// Events as text. Pure functions.
#pragma once

#include <string>

#include "client/table.h"
#include "vhost/shmem/v1/inspector.pb.h"

namespace shmemd::client {

// The table of `shmemctl events`: a line each, oldest first.
std::string RenderEvents(const ::vhost::shmem::v1::ListEventsResponse& events, const PrintStyle& style);

}  // namespace shmemd::client
