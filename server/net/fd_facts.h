// What a descriptor of a peer is, learned without waiting for whoever is behind it: an fd of a silent FUSE
// daemon blocks fstat, read and lseek for ever, so none of them is used.
//
// Any thread, nothing kept.
#pragma once

#include "server/base/fd_facts.h"

namespace shmemd::net {

// `fd` is borrowed and open. What cannot be learned stays unknown; never fails. The size is the one that the
// kernel has at hand (statx with AT_STATX_DONT_SYNC).
base::FdFacts ReadFdFacts(int fd);

}  // namespace shmemd::net
