// The one descriptor that a relay replaces: SET_BACKEND_REQ_FD hands the back-end a socket for its own
// requests (specification, VHOST_USER_SET_BACKEND_REQ_FD); the back-end gets an end of a pair of ours
// instead, and we keep what the front-end sent.
#pragma once

#include <optional>
#include <vector>

#include "server/base/unique_fd.h"

namespace shmemd::relay {

// The sockets of a back-end channel that is to be relayed.
struct BackendChannelEnds {
  base::UniqueFd frontend;  // what the front-end sent
  base::UniqueFd backend;   // our end of the pair
};

// `fds` came with SET_BACKEND_REQ_FD. Exactly one that is a Unix stream socket: it is replaced by the
// back-end's end of a new pair, blocking if it was, and the ends to relay between are returned. Else, or when
// the system has no pair to give, nullopt, and `fds` is as it was: the peers must not suffer from what we
// cannot do.
std::optional<BackendChannelEnds> SwapBackendFd(std::vector<base::UniqueFd>& fds);

}  // namespace shmemd::relay
