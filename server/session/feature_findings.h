// What the negotiated features of a back-end say about shared memory. Pure functions, any thread.
#pragma once

#include <cstdint>
#include <vector>

#include "server/state/event.h"
#include "server/state/status.h"

namespace shmemd::session {

// Where the back-end seems to offer SHMEM: bit 22, else the highest bit that stood for it in an earlier
// draft; -1: nowhere.
int8_t ShmemBitOf(uint64_t offered_protocol_features);

// SHMEM_BIT_MISMATCH, NO_REPLY_ACK, MISSING_BACKEND_REQ, MISSING_BACKEND_SEND_FD, as far as they hold. Once
// offered_protocol and shmem_bit are known.
std::vector<state::FindingRaised> FeatureFindings(const state::Features& features);

}  // namespace shmemd::session
