#include "server/convert/event.h"

#include <absl/strings/str_cat.h>

#include <array>
#include <string>
#include <utility>
#include <variant>

#include "server/convert/backend.h"
#include "server/convert/region.h"
#include "server/convert/resource_names.h"
#include "server/convert/values.h"

namespace shmemd::convert {
namespace {

using Type = v1::Event::Type;

bool Failed(state::RequestFailure failure, int32_t error_number) {
  return failure != state::RequestFailure::kNone || error_number != 0;
}

std::string Hex(uint64_t value) { return absl::StrCat("0x", absl::Hex(value)); }

// One overload for each kind of event: what of it is shown.

void Fill(const state::Connected&, v1::Event& out) { out.set_summary("connected to the back-end"); }

void Fill(const state::FrontendConnected&, v1::Event& out) { out.set_summary("the VMM connected"); }

void FillState(state::BackendState state, const state::Cause& cause, v1::Event& out) {
  out.set_state(StateToProto(state));
  out.set_state_reason(StateToProto(cause.reason));
  const std::string words = CauseWords(cause);
  out.set_summary(absl::StrCat(state::BackendStateName(state), words.empty() ? "" : ": ", words));
}

void Fill(const state::StateChanged& body, v1::Event& out) { FillState(body.state, body.cause, out); }

void Fill(const state::Disconnected& body, v1::Event& out) { FillState(body.state, body.cause, out); }

void Fill(const state::FeaturesSeen& body, v1::Event& out) {
  out.set_summary(absl::StrCat("protocol features ", Hex(body.features.acked_protocol), " of ",
                               Hex(body.features.offered_protocol)));
}

void Fill(const state::RegionReported& body, v1::Event& out) {
  out.set_size_bytes(Saturated(body.size_bytes));
  out.set_summary(absl::StrCat("region of ", Hex(body.size_bytes), " bytes"));
}

void Fill(const state::RegionRetired&, v1::Event& out) { out.set_summary("region not reported any more"); }

void Fill(const state::ConfigSeen& body, v1::Event& out) {
  out.set_summary(absl::StrCat("num_regions ", body.config.reported_num_regions, ", reply ",
                               body.config.reply_payload_bytes, " bytes"));
}

void Fill(const state::QueryDone& body, v1::Event& out) {
  *out.mutable_latency() = ToDuration(body.duration_ns);
  if (body.failed) out.set_failure("no_answer");
  out.set_summary(body.failed ? "GET_SHMEM_CONFIG without an answer" : "GET_SHMEM_CONFIG answered");
}

void FillRequest(const state::MapRequest& request, v1::MappingRequest& out) {
  out.set_shm_offset_bytes(Saturated(request.shm_offset));
  out.set_length_bytes(Saturated(request.len));
  out.set_fd_offset_bytes(Saturated(request.fd_offset));
  out.set_raw_flags(request.flags);
  out.set_fd_count(request.fd_count);
  *out.mutable_backing() = ToProto(request.fd);
  out.set_need_reply(request.need_reply);
}

void FillRequest(const state::UnmapRequest& request, v1::MappingRequest& out) {
  out.set_shm_offset_bytes(Saturated(request.shm_offset));
  out.set_length_bytes(Saturated(request.len));
  out.set_fd_count(request.fd_count);
  out.set_need_reply(request.need_reply);
}

template <typename Request>
void FillRequested(const char* what, const Request& request, v1::Event& out) {
  FillRequest(request, *out.mutable_request());
  out.set_summary(absl::StrCat(what, " of ", Hex(request.len), " bytes at ", Hex(request.shm_offset)));
}

// Of MapSettled and UnmapSettled.
template <typename Settled>
void FillSettled(const char* what, const Settled& body, v1::Event& out) {
  FillRequested(what, body.request, out);
  if (body.ack_latency_ns >= 0) *out.mutable_latency() = ToDuration(body.ack_latency_ns);
  if (body.error_number != 0) out.set_error_number(body.error_number);
  if (!Failed(body.failure, body.error_number)) return;
  const bool refused = body.failure == state::RequestFailure::kNone;
  out.set_failure(state::RequestFailureName(refused ? state::RequestFailure::kRefused : body.failure));
  absl::StrAppend(out.mutable_summary(), " failed: ", out.failure());
}

void Fill(const state::MapRequested& body, v1::Event& out) { FillRequested("SHMEM_MAP", body.request, out); }

void Fill(const state::MapSettled& body, v1::Event& out) { FillSettled("SHMEM_MAP", body, out); }

void Fill(const state::UnmapRequested& body, v1::Event& out) {
  FillRequested("SHMEM_UNMAP", body.request, out);
}

void Fill(const state::UnmapSettled& body, v1::Event& out) { FillSettled("SHMEM_UNMAP", body, out); }

// The sentence of the finding, with the numbers of this case.
void Fill(const state::FindingRaised& body, v1::Event& out) {
  state::Finding finding;
  finding.code = body.code;
  finding.shmid = body.shmid;
  finding.evidence = body.evidence;
  out.set_finding_code(std::string(state::FindingCodeName(body.code)));
  out.set_summary(state::FindingSummary(finding));
}

void Fill(const state::FindingClosed& body, v1::Event& out) {
  out.set_finding_code(std::string(state::FindingCodeName(body.code)));
  out.set_summary(absl::StrCat(out.finding_code(), " does not hold any more"));
}

void Fill(const state::MappingsStaled&, v1::Event& out) {
  out.set_summary("all mappings may be without an owner");
}

void Fill(const state::MappingsCleared&, v1::Event& out) { out.set_summary("all mappings are gone"); }

void Fill(const state::PeaksReset&, v1::Event& out) { out.set_summary("peaks start again"); }

void Fill(const state::DeviceStateChanged& body, v1::Event& out) {
  out.set_device_state(StateToProto(body.state));
  out.set_summary(absl::StrCat("device ", state::DeviceStateName(body.state)));
}

void Fill(const state::DeviceReset& body, v1::Event& out) {
  out.set_summary(body.suspected ? "the device seems to have been reset" : "the device was reset");
}

void Fill(const state::MappingEchoed& body, v1::Event& out) {
  const bool held = body.in_memory_table == state::InMemoryTable::kYes;
  out.set_summary(absl::StrCat("the VMM's memory table ", held ? "shows" : "does not show",
                               " the mapping at ", Hex(body.shm_offset)));
}

void Fill(const state::ObservationChanged& body, v1::Event& out) {
  const std::string words = state::UnobservedText(body.observation);
  out.set_summary(words.empty() ? "followed from here on" : absl::StrCat("not followed any more: ", words));
}

void Fill(const state::GuardActed& body, v1::Event& out) {
  out.set_finding_code(std::string(state::FindingCodeName(body.code)));
  const bool dropped = body.code == state::FindingCode::kGuardDropped;
  out.set_summary(dropped ? "the guard dropped a request" : "the guard refused a request");
}

// Never logged.
void Fill(const state::TrafficCounted&, v1::Event&) {}
void Fill(const state::ForwardsTimed&, v1::Event&) {}

void FillBody(const state::LogEntry& entry, v1::Event& out) {
  switch (entry.kind) {
    case state::LogKind::kAttached:
      return out.set_summary("attached");
    case state::LogKind::kDetached:
      return out.set_summary("detached");
    case state::LogKind::kLost:
      return out.set_summary("events are missing here: more came than shmemd could take");
    case state::LogKind::kEvent:
      return std::visit([&out](const auto& body) { Fill(body, out); }, entry.body);
  }
}

// In the order of state::EventBody.
constexpr std::array<Type, std::variant_size_v<state::EventBody>> kTypes{
    v1::Event::CONNECTED,
    v1::Event::FRONTEND_CONNECTED,
    v1::Event::STATE_CHANGED,
    v1::Event::DISCONNECTED,
    v1::Event::FEATURES_NEGOTIATED,
    v1::Event::REGION_REPORTED,
    v1::Event::REGION_RETIRED,
    v1::Event::CONFIG_SEEN,
    v1::Event::CONFIG_QUERIED,
    v1::Event::MAP_REQUESTED,
    v1::Event::MAPPED,
    v1::Event::UNMAP_REQUESTED,
    v1::Event::UNMAPPED,
    v1::Event::FINDING_RAISED,
    v1::Event::FINDING_CLOSED,
    v1::Event::MAPPINGS_STALED,
    v1::Event::MAPPINGS_CLEARED,
    v1::Event::PEAKS_RESET,
    v1::Event::DEVICE_STATE_CHANGED,
    v1::Event::DEVICE_RESET,
    v1::Event::MAPPING_ECHOED,
    v1::Event::OBSERVATION_CHANGED,
    v1::Event::TYPE_UNSPECIFIED,
    v1::Event::TYPE_UNSPECIFIED,
    v1::Event::GUARD_ACTED,
};

std::optional<uint8_t> Shmid(uint8_t shmid) { return shmid; }
std::optional<uint8_t> Shmid(int16_t shmid) {
  if (shmid < 0) return std::nullopt;
  return static_cast<uint8_t>(shmid);
}

}  // namespace

v1::Event ToProto(const state::LogEntry& entry) {
  v1::Event out;
  out.set_revision(Saturated(entry.revision));
  if (!entry.backend_id.empty()) out.set_backend(BackendName(entry.backend_id));
  if (const std::optional<uint8_t> shmid = ShmidOf(entry)) out.set_shmid(*shmid);
  *out.mutable_event_time() = ToTimestamp(entry.wall_time_ns);
  out.set_type(TypeOf(entry));
  FillBody(entry, out);
  return out;
}

v1::Event::Type TypeOf(const state::LogEntry& entry) {
  if (entry.kind == state::LogKind::kAttached) return v1::Event::ATTACHED;
  if (entry.kind == state::LogKind::kDetached) return v1::Event::DETACHED;
  if (entry.kind == state::LogKind::kLost) return v1::Event::EVENTS_LOST;
  if (const auto* map = std::get_if<state::MapSettled>(&entry.body)) {
    if (Failed(map->failure, map->error_number)) return v1::Event::MAP_FAILED;
  } else if (const auto* unmap = std::get_if<state::UnmapSettled>(&entry.body)) {
    if (Failed(unmap->failure, unmap->error_number)) return v1::Event::UNMAP_FAILED;
  }
  return kTypes[entry.body.index()];
}

std::optional<uint8_t> ShmidOf(const state::LogEntry& entry) {
  if (entry.kind != state::LogKind::kEvent) return std::nullopt;
  return std::visit(
      [](const auto& body) -> std::optional<uint8_t> {
        if constexpr (requires { body.request.shmid; }) {
          return Shmid(body.request.shmid);
        } else if constexpr (requires { body.shmid; }) {
          return Shmid(body.shmid);
        } else {
          return std::nullopt;
        }
      },
      entry.body);
}

}  // namespace shmemd::convert
