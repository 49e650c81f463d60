// What a probe saw, judged rule by rule.
//
// Pure, any thread.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "server/state/probe_report.h"
#include "server/vhost/codec.h"

namespace shmemd::frontend {

struct ProbeObservation {
  std::string socket;
  int64_t start_time_ns = 0;  // wall clock
  int64_t duration_ns = 0;
  state::Features features;
  std::vector<vhost::ShmemConfigReply> answers;  // none, one or two, of one connection
  state::Cause failure;                          // kNone: it was answered twice
  // The request whose reply was awaited when it failed, where `failure` is of a message that is none; 0:
  // none.
  uint32_t awaited_id = 0;
};

// `page_size` of this host, in bytes.
state::ProbeReport MakeProbeReport(const ProbeObservation& seen, uint64_t page_size);

}  // namespace shmemd::frontend
