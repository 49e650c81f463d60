// What a client says of a back-end that is to be attached, as a specification of the model.
//
// Pure, any thread; what clients say is hostile.
#pragma once

#include <string>

#include "server/state/backend_spec.h"
#include "vhost/shmem/v1/backend.pb.h"

namespace shmemd::convert {

namespace v1 = ::vhost::shmem::v1;

struct SpecReading {
  state::BackendSpec spec;
  std::string field;  // the field of the message that is wrong, e.g. "mode"; empty: none is
  std::string wrong;  // what was expected and got
};

// Reads what says how a back-end is attached; what became of it (state, totals, ...) is not looked at. In
// mode relay what is not set is as `relay_defaults`; in other modes nothing of a relay may be set. Ids and
// paths are not judged. The origin is kRpc.
SpecReading ReadSpec(const v1::Backend& backend, const state::BackendSpec& relay_defaults);

}  // namespace shmemd::convert
