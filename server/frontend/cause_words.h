// The words of a cause, with the wire's names in it.
#pragma once

#include <string>

#include "server/state/status.h"
#include "server/vhost/names.h"

namespace shmemd::frontend {

inline std::string CauseWords(const state::Cause& cause) {
  const vhost::Channel channel = cause.on_backend_channel ? vhost::Channel::kBackend : vhost::Channel::kMain;
  return state::CauseText(cause, vhost::MessageName(channel, cause.message_id));
}

}  // namespace shmemd::frontend
