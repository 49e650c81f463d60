// Text for the numbers of protocol.h, as the specification spells them. Pure functions, any thread; any
// number from a peer is fine.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "server/vhost/protocol.h"

namespace shmemd::vhost {

// "SHMEM_MAP"; empty for an id that nobody has defined. Valid forever.
std::string_view MessageName(Channel channel, uint32_t id);

// "SHMEM_MAP (9)", "unknown message (77)".
std::string MessageText(Channel channel, uint32_t id);

// "SHMEM"; empty for an unassigned bit. The bit means what it means today, see kHistoricShmemBits. Valid
// forever.
std::string_view FeatureName(unsigned bit);

// The highest of kHistoricShmemBits in `mask`; nullptr if there is none, or if the final bit 22 is there too.
const HistoricShmemBit* FindHistoricShmemBit(uint64_t mask);

}  // namespace shmemd::vhost
