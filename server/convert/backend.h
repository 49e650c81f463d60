// A back-end, its features and its configuration reply as messages. What is not known stays unset.
#pragma once

#include <string>

#include "server/convert/record.h"
#include "vhost/shmem/v1/backend.pb.h"

namespace shmemd::convert {

namespace v1 = ::vhost::shmem::v1;

v1::Backend ToProto(const BackendRecord& record);
v1::Features ToProto(const state::Features& features);
v1::ShmemConfig ToProto(const state::ShmemConfig& config);
v1::PeerProcess ToProto(const state::PeerProcess& peer);
v1::BackendTotals ToProto(const state::BackendTotals& totals);
v1::Backend::State StateToProto(state::BackendState state);
v1::Backend::StateReason StateToProto(state::StateReason reason);
v1::Backend::DeviceState StateToProto(state::DeviceState state);

// `cause` in words, with the name of the message that it is about. Empty when there is nothing to explain.
std::string CauseWords(const state::Cause& cause);

// Why what is shown of mappings does not follow the traffic, in words. Empty: it does.
std::string WhyUnobserved(state::Mode mode, const state::BackendStatus& status);

}  // namespace shmemd::convert
