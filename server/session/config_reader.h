// What an answer to GET_SHMEM_CONFIG means: regions, the answer as sent, findings.
//
// Pure functions, any thread. The reader's rule is a tolerant one: each size that is not 0 is a region whose
// shmid is its index (vhost-user specification, "VIRTIO shared memory configuration"), however much of the
// array was sent and whatever num_regions claims; the claim is compared and shown.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "server/state/event.h"
#include "server/vhost/codec.h"

namespace shmemd::session {

// The answer before, of this connection or of an earlier one.
struct PreviousConfig {
  vhost::ShmemConfigReply reply;
  bool same_connection = false;
};

struct ConfigContext {
  state::ConfigSource source = state::ConfigSource::kAsked;
  uint64_t page_size = 4096;  // the host's, bytes
  int64_t now_ns = 0;         // wall clock, when the answer came
};

// COUNT_OR_SPAN, COUNT, SPAN, TOO_SMALL or TOO_LARGE.
state::NumRegionsMeaning MeaningOf(const vhost::ShmemConfigReply& reply);

// Whether QEMU and crosvm would show the region to a guest: they take the first num_regions sizes that are
// not 0, and QEMU refuses the device for num_regions above 256 (kUnknown).
state::Exposed ExposedByVmm(const vhost::ShmemConfigReply& reply, uint8_t shmid);

// The answer as it was sent, for people. `now_ns` is wall clock.
state::ShmemConfig AsSent(const vhost::ShmemConfigReply& reply, state::ConfigSource source, int64_t now_ns);

// The findings that the answer alone is reason for.
std::vector<state::FindingRaised> ConfigFindings(const vhost::ShmemConfigReply& reply, uint64_t page_size);

// Whether two answers say the same. Padding says nothing: it may be whatever was in the back-end's memory.
bool SameAnswer(const vhost::ShmemConfigReply& left, const vhost::ShmemConfigReply& right);

// Everything to publish, in order: regions that came, changed or went, the answer as sent, findings that
// closed (those of an answer before on the same connection that no longer hold) and those that hold.
std::vector<state::EventBody> ReadConfig(const vhost::ShmemConfigReply& reply,
                                         const std::optional<PreviousConfig>& previous,
                                         const ConfigContext& context);

}  // namespace shmemd::session
