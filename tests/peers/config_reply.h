// The bytes of an answer to GET_SHMEM_CONFIG, right or wrong as the script wants it.
#pragma once

#include <cstddef>

#include "tests/peers/script.h"
#include "tests/peers/wire.h"

namespace shmemd::peers {

// Header and payload, for Answer::kReply and kHalfThenClose (the caller cuts); 64 bytes that mean nothing for
// kGarbage.
Bytes EncodeConfigReply(const ConfigReply& reply, const Regions& regions);

}  // namespace shmemd::peers
