#include "server/convert/backend.h"

#include <absl/strings/str_cat.h>
#include <google/protobuf/repeated_ptr_field.h>

#include <utility>

#include "server/convert/finding.h"
#include "server/convert/resource_names.h"
#include "server/convert/values.h"
#include "server/vhost/names.h"
#include "server/vhost/protocol.h"

namespace shmemd::convert {
namespace {

v1::Backend::Mode EnumToProto(state::Mode mode) {
  switch (mode) {
    case state::Mode::kRelay:
      return v1::Backend::RELAY;
    case state::Mode::kFrontend:
      return v1::Backend::FRONTEND;
    case state::Mode::kProbe:
      return v1::Backend::PROBE;
  }
  return v1::Backend::MODE_UNSPECIFIED;
}

v1::Backend::Origin EnumToProto(state::Origin origin) {
  return origin == state::Origin::kConfig ? v1::Backend::CONFIG : v1::Backend::RPC;
}

v1::ShmemConfig::NumRegionsMeaning EnumToProto(state::NumRegionsMeaning meaning) {
  switch (meaning) {
    case state::NumRegionsMeaning::kUnknown:
      return v1::ShmemConfig::NUM_REGIONS_MEANING_UNSPECIFIED;
    case state::NumRegionsMeaning::kCountOrSpan:
      return v1::ShmemConfig::COUNT_OR_SPAN;
    case state::NumRegionsMeaning::kCount:
      return v1::ShmemConfig::COUNT;
    case state::NumRegionsMeaning::kSpan:
      return v1::ShmemConfig::SPAN;
    case state::NumRegionsMeaning::kTooSmall:
      return v1::ShmemConfig::TOO_SMALL;
    case state::NumRegionsMeaning::kTooLarge:
      return v1::ShmemConfig::TOO_LARGE;
  }
  return v1::ShmemConfig::NUM_REGIONS_MEANING_UNSPECIFIED;
}

v1::ShmemConfig::Source EnumToProto(state::ConfigSource source) {
  switch (source) {
    case state::ConfigSource::kNotSeen:
      return v1::ShmemConfig::NOT_SEEN;
    case state::ConfigSource::kAsked:
      return v1::ShmemConfig::ASKED;
    case state::ConfigSource::kSeen:
      return v1::ShmemConfig::SEEN;
  }
  return v1::ShmemConfig::SOURCE_UNSPECIFIED;
}

v1::Backend::SocketRole EnumToProto(state::SocketRole role) {
  switch (role) {
    case state::SocketRole::kConnect:
      return v1::Backend::CONNECT;
    case state::SocketRole::kListen:
      return v1::Backend::LISTEN;
  }
  return v1::Backend::SOCKET_ROLE_UNSPECIFIED;
}

v1::Backend::Query EnumToProto(state::Query query) {
  switch (query) {
    case state::Query::kSnoop:
      return v1::Backend::SNOOP;
    case state::Query::kInject:
      return v1::Backend::INJECT;
  }
  return v1::Backend::QUERY_UNSPECIFIED;
}

v1::Backend::Guard EnumToProto(state::Guard guard) {
  switch (guard) {
    case state::Guard::kOff:
      return v1::Backend::OFF;
    case state::Guard::kWarn:
      return v1::Backend::WARN;
    case state::Guard::kProtect:
      return v1::Backend::PROTECT;
  }
  return v1::Backend::GUARD_UNSPECIFIED;
}

v1::Backend::OnBackendMissing EnumToProto(state::OnBackendMissing what) {
  switch (what) {
    case state::OnBackendMissing::kWait:
      return v1::Backend::WAIT;
    case state::OnBackendMissing::kRefuse:
      return v1::Backend::REFUSE;
  }
  return v1::Backend::ON_BACKEND_MISSING_UNSPECIFIED;
}

void AddFeatureNames(uint64_t mask, google::protobuf::RepeatedPtrField<std::string>& names) {
  for (unsigned bit = 0; bit < 64; ++bit) {
    if ((mask >> bit & 1) == 0) continue;
    const std::string_view name = vhost::FeatureName(bit);
    names.Add(name.empty() ? absl::StrCat("BIT_", bit) : std::string(name));
  }
}

void FillObservation(state::Mode mode, const state::BackendStatus& status, v1::Backend& out) {
  std::string why = WhyUnobserved(mode, status);
  out.set_observed(why.empty());
  out.set_unobserved_reason(std::move(why));
  // Our own front-end never starts a device.
  out.set_device_state(mode == state::Mode::kFrontend ? v1::Backend::STOPPED
                                                      : StateToProto(status.device_state));
}

void FillListenOptions(const state::BackendSpec& spec, v1::ListenOptions& out) {
  out.set_mode(spec.socket_mode);
  if (spec.socket_owner >= 0) out.set_uid(static_cast<uint32_t>(spec.socket_owner));
  if (spec.socket_group >= 0) out.set_gid(static_cast<uint32_t>(spec.socket_group));
}

void FillRelay(const state::BackendSpec& spec, const state::BackendStatus& status, v1::Backend& out) {
  if (state::Listens(spec)) FillListenOptions(spec, *out.mutable_listen_options());
  out.set_frontend_socket(spec.frontend_socket);
  out.set_frontend_socket_role(EnumToProto(spec.frontend_role));
  out.set_query(EnumToProto(spec.query));
  out.set_guard(EnumToProto(spec.guard));
  out.set_on_backend_missing(EnumToProto(spec.on_backend_missing));
  out.set_guard_action_count(Saturated(status.guard_refused + status.guard_dropped));
  if (status.frontend_peer.known) *out.mutable_frontend_process() = ToProto(status.frontend_peer);
}

void FillStatus(const state::BackendStatus& status, v1::Backend& out) {
  out.set_state(StateToProto(status.state));
  out.set_state_reason(StateToProto(status.cause.reason));
  out.set_state_detail(CauseWords(status.cause));
  if (status.features.known) *out.mutable_features() = ToProto(status.features);
  if (status.config.source != state::ConfigSource::kNotSeen) *out.mutable_config() = ToProto(status.config);
  if (status.peer.known) *out.mutable_backend_process() = ToProto(status.peer);
  out.set_connection_epoch(status.epoch);
  out.set_reset_count(status.reset_count);
  out.set_reconnect_count(status.epoch > 0 ? status.epoch - 1 : 0);
  out.set_pending_request_count(status.pending_requests);
  *out.mutable_create_time() = ToTimestamp(status.create_time_ns);
  if (status.epoch > 0) *out.mutable_connect_time() = ToTimestamp(status.connect_time_ns);
  *out.mutable_update_time() = ToTimestamp(status.update_time_ns);
}

}  // namespace

v1::Backend::State StateToProto(state::BackendState state) {
  switch (state) {
    case state::BackendState::kConnecting:
      return v1::Backend::CONNECTING;
    case state::BackendState::kWaitingForFrontend:
      return v1::Backend::WAITING_FOR_FRONTEND;
    case state::BackendState::kNegotiating:
      return v1::Backend::NEGOTIATING;
    case state::BackendState::kActive:
      return v1::Backend::ACTIVE;
    case state::BackendState::kProbed:
      return v1::Backend::PROBED;
    case state::BackendState::kUnsupported:
      return v1::Backend::UNSUPPORTED;
    case state::BackendState::kDisconnected:
      return v1::Backend::DISCONNECTED;
    case state::BackendState::kFailed:
      return v1::Backend::FAILED;
    case state::BackendState::kDetaching:
      return v1::Backend::DETACHING;
  }
  return v1::Backend::STATE_UNSPECIFIED;
}

v1::Backend::StateReason StateToProto(state::StateReason reason) {
  switch (reason) {
    case state::StateReason::kNone:
      return v1::Backend::STATE_REASON_UNSPECIFIED;
    case state::StateReason::kSocketMissing:
      return v1::Backend::SOCKET_MISSING;
    case state::StateReason::kConnectionRefused:
      return v1::Backend::CONNECTION_REFUSED;
    case state::StateReason::kConnectFailed:
      return v1::Backend::CONNECT_FAILED;
    case state::StateReason::kConnectTimeout:
      return v1::Backend::CONNECT_TIMEOUT;
    case state::StateReason::kClosedByBackend:
      return v1::Backend::CLOSED_BY_BACKEND;
    case state::StateReason::kClosedMidMessage:
      return v1::Backend::CLOSED_MID_MESSAGE;
    case state::StateReason::kReplyTimeout:
      return v1::Backend::REPLY_TIMEOUT;
    case state::StateReason::kProtocolError:
      return v1::Backend::PROTOCOL_ERROR;
    case state::StateReason::kMessageTooLarge:
      return v1::Backend::MESSAGE_TOO_LARGE;
    case state::StateReason::kUnexpectedFds:
      return v1::Backend::UNEXPECTED_FDS;
    case state::StateReason::kConfigReplyMalformed:
      return v1::Backend::CONFIG_REPLY_MALFORMED;
    case state::StateReason::kNoProtocolFeatures:
      return v1::Backend::NO_PROTOCOL_FEATURES;
    case state::StateReason::kShmemNotOffered:
      return v1::Backend::SHMEM_NOT_OFFERED;
    case state::StateReason::kShmemOlderBit:
      return v1::Backend::SHMEM_OLDER_BIT;
    case state::StateReason::kSystemError:
      return v1::Backend::SYSTEM_ERROR;
    case state::StateReason::kClosedByShmemd:
      return v1::Backend::CLOSED_BY_SHMEMD;
    case state::StateReason::kRequestRefused:
      return v1::Backend::REQUEST_REFUSED;
    case state::StateReason::kClosedByFrontend:
      return v1::Backend::CLOSED_BY_FRONTEND;
  }
  return v1::Backend::STATE_REASON_UNSPECIFIED;
}

v1::Backend::DeviceState StateToProto(state::DeviceState state) {
  switch (state) {
    case state::DeviceState::kUnknown:
      return v1::Backend::UNKNOWN;
    case state::DeviceState::kStopped:
      return v1::Backend::STOPPED;
    case state::DeviceState::kStarted:
      return v1::Backend::STARTED;
  }
  return v1::Backend::DEVICE_STATE_UNSPECIFIED;
}

std::string CauseWords(const state::Cause& cause) {
  if (cause.message_id == 0) return state::CauseText(cause, {});
  const auto channel = cause.on_backend_channel ? vhost::Channel::kBackend : vhost::Channel::kMain;
  const std::string_view name = vhost::MessageName(channel, cause.message_id);
  if (!name.empty()) return state::CauseText(cause, name);
  return state::CauseText(cause, vhost::MessageText(channel, cause.message_id));
}

v1::Features ToProto(const state::Features& features) {
  using vhost::ProtocolFeature;
  v1::Features out;
  out.set_virtio_features(features.virtio);
  out.set_offered_protocol_features(features.offered_protocol);
  out.set_acked_protocol_features(features.acked_protocol);
  AddFeatureNames(features.offered_protocol, *out.mutable_offered_protocol_feature_names());
  AddFeatureNames(features.acked_protocol, *out.mutable_acked_protocol_feature_names());
  if (features.shmem_bit >= 0) out.set_shmem_feature_bit(features.shmem_bit);
  out.set_reply_ack(vhost::Has(features.acked_protocol, ProtocolFeature::kReplyAck));
  out.set_backend_req(vhost::Has(features.acked_protocol, ProtocolFeature::kBackendReq));
  out.set_backend_send_fd(vhost::Has(features.acked_protocol, ProtocolFeature::kBackendSendFd));
  return out;
}

v1::ShmemConfig ToProto(const state::ShmemConfig& config) {
  v1::ShmemConfig out;
  out.set_source(EnumToProto(config.source));
  if (config.source == state::ConfigSource::kNotSeen) return out;
  out.set_reported_num_regions(config.reported_num_regions);
  out.set_nonzero_size_count(config.nonzero_size_count);
  if (config.highest_shmid >= 0) out.set_highest_shmid(config.highest_shmid);
  out.set_reply_payload_bytes(config.reply_payload_bytes);
  out.set_num_regions_meaning(EnumToProto(config.meaning));
  out.set_padding_nonzero(config.padding_nonzero);
  *out.mutable_observe_time() = ToTimestamp(config.observe_time_ns);
  return out;
}

std::string WhyUnobserved(state::Mode mode, const state::BackendStatus& status) {
  if (mode == state::Mode::kProbe) return "mode probe asks once and leaves: mappings are not followed";
  const bool passes = mode == state::Mode::kRelay && (status.state == state::BackendState::kNegotiating ||
                                                      status.state == state::BackendState::kDetaching);
  if (status.state != state::BackendState::kActive && !passes) {
    return absl::StrCat("nothing to follow while ", state::BackendStateName(status.state));
  }
  return state::UnobservedText(status.observation);
}

v1::PeerProcess ToProto(const state::PeerProcess& peer) {
  v1::PeerProcess out;
  out.set_uid(peer.uid);
  out.set_gid(peer.gid);
  if (peer.pid > 0) out.set_pid(peer.pid);
  // A process names itself with any bytes; a proto string must be UTF-8.
  for (char c : peer.comm) {
    if (c == '\0') break;
    out.mutable_command()->push_back(c >= ' ' && c <= '~' ? c : '?');
  }
  return out;
}

v1::BackendTotals ToProto(const state::BackendTotals& totals) {
  v1::BackendTotals out;
  out.set_region_count(Saturated(totals.region_count));
  out.set_mapping_count(Saturated(totals.mapping_count));
  out.set_size_bytes(Saturated(totals.size_bytes));
  out.set_mapped_bytes(Saturated(totals.mapped_bytes));
  out.set_stale_bytes(Saturated(totals.stale_bytes));
  out.set_at_risk_bytes(Saturated(totals.at_risk_bytes));
  out.set_open_finding_count(Saturated(totals.open_finding_count));
  return out;
}

v1::Backend ToProto(const BackendRecord& record) {
  v1::Backend out;
  out.set_name(BackendName(record.spec.id));
  out.set_uid(record.uid);
  out.set_origin(EnumToProto(record.spec.origin));
  out.set_mode(EnumToProto(record.spec.mode));
  out.set_backend_socket(record.spec.backend_socket);
  out.set_backend_socket_role(EnumToProto(record.spec.backend_role));
  FillObservation(record.spec.mode, record.status, out);
  if (record.spec.mode == state::Mode::kRelay) FillRelay(record.spec, record.status, out);
  FillStatus(record.status, out);
  *out.mutable_totals() = ToProto(record.totals);
  for (const state::Finding& finding : record.findings)
    *out.add_findings() = ToProto(record.spec.id, finding);
  return out;
}

}  // namespace shmemd::convert
