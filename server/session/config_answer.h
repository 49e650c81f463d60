// An answer to GET_SHMEM_CONFIG, with everything that can be wrong about it. Pure functions, any thread.
#pragma once

#include <cstddef>
#include <variant>

#include "server/state/event.h"
#include "server/state/status.h"
#include "server/vhost/codec.h"
#include "server/vhost/framer.h"

namespace shmemd::session {

// What was answered, or what of the answer is malformed: id, flags, number of descriptors, size of payload.
using ConfigAnswer = std::variant<vhost::ShmemConfigReply, state::Cause>;
ConfigAnswer ReadConfigAnswer(const vhost::MessageView& reply, size_t fd_count);

// CONFIG_REPLY_MALFORMED for a cause that ReadConfigAnswer gave.
state::FindingRaised MalformedConfigFinding(const state::Cause& cause);

}  // namespace shmemd::session
