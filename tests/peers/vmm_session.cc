#include "tests/peers/vmm_session.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <utility>

#include "tests/peers/units.h"

namespace shmemd::peers {
namespace {

constexpr uint32_t kVringSize = 64;
constexpr size_t kConfigEntries = 256;
constexpr size_t kConfigHeaderBytes = 8;
constexpr size_t kMaxConfigBytes = kConfigHeaderBytes + kConfigEntries * sizeof(uint64_t);
constexpr uint64_t kDriverOk = 0xf;  // ACKNOWLEDGE, DRIVER, FEATURES_OK, DRIVER_OK

Bytes VringState(uint32_t vring, uint32_t value) {
  Bytes payload;
  Put<uint32_t>(payload, vring);
  Put<uint32_t>(payload, value);
  return payload;
}

// Three pages of guest RAM for each vring: descriptors, used and available ring.
Bytes VringAddress(uint32_t vring) {
  constexpr uint64_t kPage = 4096;
  const uint64_t base = uint64_t{vring} * 3 * kPage;
  Bytes payload = VringState(vring, 0);
  for (const uint64_t address : {base, base + kPage, base + 2 * kPage, uint64_t{0}}) {
    Put<uint64_t>(payload, address);
  }
  return payload;
}

}  // namespace

VmmSession::VmmSession(Fd socket, const VmmScript* script, int stop_fd, VmmWindow* window,
                       Transcript* transcript)
    : script_(script),
      stop_fd_(stop_fd),
      window_(window),
      transcript_(transcript),
      main_(std::move(socket), stop_fd, script->reply_timeout, transcript),
      memory_(script, window, transcript),
      answerer_(&script->answers, window, transcript),
      event_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      vring_bases_(script->vrings) {}

bool VmmSession::NegotiateFeatures() {
  const auto features = main_.AskU64(kGetFeatures);
  if (!features) return false;
  features_ = *features;
  if ((features_ & FeatureMask(kFeatureProtocolFeatures)) == 0) return true;
  const auto offered = main_.AskU64(kGetProtocolFeatures);
  if (!offered) return false;
  protocol_features_ = *offered & script_->protocol_features;
  transcript_->Add("protocol features " + Hex(*offered) + ", acknowledged " + Hex(protocol_features_));
  if (!main_.Tell(kSetProtocolFeatures, U64Payload(protocol_features_))) return false;
  main_.SetReplyAck(HasFeature(kFeatureReplyAck));
  return true;
}

bool VmmSession::Handshake() {
  if (script_->is_owner_first && !main_.Tell(kSetOwner, {})) return false;
  if (!NegotiateFeatures()) return false;
  if (HasFeature(kFeatureMq) && !main_.AskU64(kGetQueueNum)) return false;
  if (HasFeature(kFeatureConfigureMemSlots) && !main_.AskU64(kGetMaxMemSlots)) return false;
  if (HasFeature(kFeatureBackendReq) && !OpenBackendChannel()) return false;
  if (!script_->is_owner_first) {
    if (!main_.Tell(kSetOwner, {}) || !main_.AskU64(kGetFeatures)) return false;
    for (uint32_t vring = 0; vring < script_->vrings; ++vring) {
      if (!SendFd(kSetVringCall, vring, event_.get()) || !SendFd(kSetVringErr, vring, event_.get())) {
        return false;
      }
    }
  }
  window_->SetRegions(script_->windows);
  if (!script_->asks_config || !HasFeature(kFeatureShmem)) return true;
  return Query();
}

bool VmmSession::OpenBackendChannel() {
  std::array<int, 2> ends{-1, -1};
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0) return false;
  const Fd theirs(ends[1]);
  backend_ = Channel(Fd(ends[0]));
  transcript_->Add("back-end channel");
  return main_.Request(kSetBackendReqFd, {}, {theirs.get()});
}

void VmmSession::ReadSizes(const Bytes& payload) {
  const auto num_regions = Get<uint32_t>(payload, 0);
  Regions regions;
  for (size_t i = 0; i < kConfigEntries && regions.size() < num_regions; ++i) {
    const auto size_bytes = Get<uint64_t>(payload, kConfigHeaderBytes + i * sizeof(uint64_t));
    if (size_bytes != 0) regions[static_cast<uint8_t>(i)] = size_bytes;
  }
  std::string line = "GET_SHMEM_CONFIG -> num_regions " + std::to_string(num_regions);
  for (const auto& [shmid, size_bytes] : regions) {
    line += ", " + std::to_string(shmid) + ": " + Hex(size_bytes);
  }
  transcript_->Add(line);
  if (window_->mapping_count() == 0) window_->SetRegions(std::move(regions));
}

bool VmmSession::Query() {
  const auto reply = main_.Ask(kGetShmemConfig);
  if (!reply) return false;
  if (reply->payload.size() > kMaxConfigBytes) {
    transcript_->AddUnexpected("GET_SHMEM_CONFIG was answered with " + std::to_string(reply->payload.size()) +
                               " bytes, expected " + std::to_string(kMaxConfigBytes));
    return false;
  }
  ReadSizes(reply->payload);
  return true;
}

bool VmmSession::SendFd(uint32_t request, uint32_t vring, int fd) {
  return main_.Request(request, U64Payload(vring), {fd});
}

bool VmmSession::SetUpVring(uint32_t vring) {
  return main_.Tell(kSetVringNum, VringState(vring, kVringSize)) &&
         main_.Tell(kSetVringBase, VringState(vring, vring_bases_[vring])) &&
         main_.Tell(kSetVringAddr, VringAddress(vring)) && SendFd(kSetVringKick, vring, event_.get()) &&
         SendFd(kSetVringCall, vring, event_.get());
}

bool VmmSession::SetEnabled(bool is_enabled) {
  for (uint32_t vring = 0; vring < script_->vrings; ++vring) {
    if (!main_.Request(kSetVringEnable, VringState(vring, is_enabled ? 1 : 0))) return false;
    // Without acks, QEMU waits for this answer instead.
    if (!main_.has_reply_ack() && !main_.AskU64(kGetFeatures)) return false;
  }
  return true;
}

bool VmmSession::Start() {
  if (!main_.Tell(kSetFeatures, U64Payload(features_))) return false;
  if (HasFeature(kFeatureStatus)) {
    if (!main_.AskU64(kGetStatus) || !main_.Tell(kSetStatus, U64Payload(kDriverOk))) return false;
  }
  if (!memory_.Show(main_, HasFeature(kFeatureConfigureMemSlots))) return false;
  for (uint32_t vring = 0; vring < script_->vrings; ++vring) {
    if (!SetUpVring(vring)) return false;
  }
  if (!SetEnabled(true)) return false;
  for (uint32_t vring = 0; vring < script_->vrings; ++vring) {
    if (!SendFd(kSetVringCall, vring, event_.get())) return false;
  }
  is_started_ = true;
  transcript_->Add("device started");
  return true;
}

bool VmmSession::Stop() {
  is_started_ = false;
  if (!SetEnabled(false)) return false;
  for (uint32_t vring = 0; vring < script_->vrings; ++vring) {
    const auto base = main_.Ask(kGetVringBase, VringState(vring, 0));
    if (!base) return false;
    vring_bases_[vring] = Get<uint32_t>(base->payload, 4);
  }
  transcript_->Add("device stopped");
  return true;
}

void VmmSession::DropMappings(const std::string& why) {
  transcript_->Add(why + ": " + std::to_string(window_->Clear()) + " mappings dropped");
}

bool VmmSession::Reset() {
  const bool is_sound = !is_started_ || Stop();
  DropMappings("reset");
  return is_sound;
}

bool VmmSession::ResetDevice() {
  is_started_ = false;
  const bool is_sound = main_.Tell(kResetDevice, {});
  DropMappings("RESET_DEVICE");
  return is_sound;
}

bool VmmSession::SetStatus(uint64_t status) {
  const bool is_sound = main_.Tell(kSetStatus, U64Payload(status));
  const std::string line = "SET_STATUS " + Hex(status);
  if (status != 0) {
    transcript_->Add(line);
    return is_sound;
  }
  is_started_ = false;
  DropMappings(line);
  return is_sound;
}

void VmmSession::CloseBackendChannel() {
  transcript_->Add("close the back-end channel");
  backend_.Close("closed by the script");
}

void VmmSession::HalfClose() {
  transcript_->Add("half close");
  ::shutdown(main_.channel().fd(), SHUT_WR);
}

void VmmSession::Close(const std::string& reason) {
  main_.channel().Close(reason);
  backend_.Close(reason);
}

bool VmmSession::IsStopped() const {
  pollfd wait{stop_fd_, POLLIN, 0};
  return ::poll(&wait, 1, 0) == 1;
}

void VmmSession::ServeBackend() {
  while (auto message = backend_.TryReceive()) {
    if (!is_started_ && script_->complains_when_stopped) {
      transcript_->AddUnexpected("back-end request " + std::to_string(message->request) +
                                 " while the device is stopped, which QEMU 11.1 does not survive");
    }
    const bool is_changed = answerer_.Handle(std::move(*message), main_.has_reply_ack(), backend_);
    if (!is_changed || !is_started_ || script_->echo == MemoryEcho::kNone) continue;
    if (!memory_.Show(main_, HasFeature(kFeatureConfigureMemSlots))) break;
  }
  if (!backend_.is_open()) transcript_->Add("back-end channel closed: " + backend_.close_reason());
}

void VmmSession::Pump(std::optional<Clock::time_point> deadline, int other_fd) {
  int timeout_ms = -1;
  if (deadline) {
    const auto rest = std::chrono::ceil<std::chrono::milliseconds>(*deadline - Clock::now());
    timeout_ms = static_cast<int>(std::clamp<int64_t>(rest.count(), 0, 60000));
  }
  std::array<pollfd, 4> waits = {{{stop_fd_, POLLIN, 0},
                                  {is_reading_ ? main_.channel().fd() : -1, POLLIN, 0},
                                  {is_reading_ ? backend_.fd() : -1, POLLIN, 0},
                                  {other_fd, POLLIN, 0}}};
  ::poll(waits.data(), waits.size(), timeout_ms);
  if (waits[0].revents != 0) return;
  if (waits[2].revents != 0) ServeBackend();
  // The main channel's answers to ServeBackend have been taken there; what is left was not asked for.
  if (waits[1].revents != 0 && main_.channel().is_open()) main_.DropStray();
}

}  // namespace shmemd::peers
