// How the services look at what is known: a call of feed::Hub::Read, or of a fake in tests.
#pragma once

#include <functional>

#include "server/feed/replica.h"

namespace shmemd::api {

// Calls its argument once, at once, with the replica locked. Any thread.
using ReplicaReader = std::function<void(const std::function<void(const feed::ReplicaView&)>&)>;

}  // namespace shmemd::api
