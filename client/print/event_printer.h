// Events as text. Pure functions.
#pragma once

#include <string>

#include "client/print/table.h"
#include "vhost/shmem/v1/inspector.pb.h"

namespace shmemd::client {

// The table of `shmemctl events`: a line each, oldest first.
std::string RenderEvents(const ::vhost::shmem::v1::ListEventsResponse& events, const PrintStyle& style);

// One event as a line of that table, for those that come one by one: columns of a fixed width.
std::string RenderEventLine(const ::vhost::shmem::v1::Event& event, const PrintStyle& style);

}  // namespace shmemd::client
