// Sums of what was counted: of the channels of a session, of the sessions of an entry.
#pragma once

#include <cstddef>

#include "server/state/status.h"

namespace shmemd::relay {

inline void Add(const state::TrafficCounters& from, state::TrafficCounters& to) {
  to.messages += from.messages;
  to.bytes += from.bytes;
  to.fds += from.fds;
  to.decode_errors += from.decode_errors;
}

inline void Add(const state::Traffic& from, state::Traffic& to) {
  for (size_t channel = 0; channel < to.size(); ++channel) {
    for (size_t sender = 0; sender < to[channel].size(); ++sender)
      Add(from[channel][sender], to[channel][sender]);
  }
}

inline void Add(const state::DurationHistogram& from, state::DurationHistogram& to) {
  for (size_t i = 0; i < to.counts.size(); ++i) to.counts[i] += from.counts[i];
  to.sum_ns += from.sum_ns;
}

}  // namespace shmemd::relay
