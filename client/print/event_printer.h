// Events as text. Pure functions.
#pragma once

#include <string>

#include "client/print/answered.h"
#include "client/print/table.h"
#include "vhost/shmem/v1/inspector.pb.h"

namespace shmemd::client {

// The table of `shmemctl events`: a line each, oldest first, whoever answered.
std::string RenderEvents(const AnsweredList<::vhost::shmem::v1::ListEventsResponse>& answers,
                         const PrintStyle& style);
inline std::string RenderEvents(const ::vhost::shmem::v1::ListEventsResponse& events,
                                const PrintStyle& style) {
  return RenderEvents(OnlyAnswer(events), style);
}

// One event as a line of that table, for those that come one by one: columns of a fixed width. `endpoint`:
// who tells of it, empty where there is only one.
std::string RenderEventLine(const ::vhost::shmem::v1::Event& event, const PrintStyle& style,
                            const std::string& endpoint = "");

}  // namespace shmemd::client
