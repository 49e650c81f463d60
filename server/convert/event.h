// Events as messages.
#pragma once

#include <cstdint>
#include <optional>

#include "server/state/event_log.h"
#include "vhost/shmem/v1/event.pb.h"

namespace shmemd::convert {

namespace v1 = ::vhost::shmem::v1;

v1::Event ToProto(const state::LogEntry& entry);

v1::Event::Type TypeOf(const state::LogEntry& entry);
// The region that it is about; nullopt: the back-end as a whole, or none.
std::optional<uint8_t> ShmidOf(const state::LogEntry& entry);

}  // namespace shmemd::convert
