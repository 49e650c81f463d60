// The report of a probe as a message.
#pragma once

#include "server/state/probe_report.h"
#include "vhost/shmem/v1/probe.pb.h"

namespace shmemd::convert {

namespace v1 = ::vhost::shmem::v1;

// A probed back-end is not attached, so its regions bear the name "backends/-/regions/{shmid}". `failure` is
// the report's own text, or words made from its cause where it has none.
v1::ProbeReport ToProto(const state::ProbeReport& report);

}  // namespace shmemd::convert
