#include "tests/peers/vmm_script.h"

#include <array>
#include <utility>

namespace shmemd::peers {
namespace {

constexpr uint64_t kQemuFeatures = 0x6ffdff;  // all that QEMU 11.1 knows, but for CONFIG
constexpr uint64_t kUsualFeatures = FeatureMask(kFeatureMq) | FeatureMask(kFeatureReplyAck) |
                                    FeatureMask(kFeatureBackendReq) | FeatureMask(kFeatureBackendSendFd);
constexpr int kFeatureOldShmem = 21;

void ApplyQemu(VmmScript& script) {
  script.protocol_features = kQemuFeatures;
  script.is_owner_first = false;
  script.asks_config = true;
  script.complains_when_stopped = true;
  script.echo = MemoryEcho::kAuto;
  script.answers = {};
}

void ApplyRustVmm(VmmScript& script) {
  ApplyQemu(script);
  script.protocol_features = kUsualFeatures | FeatureMask(kFeatureShmem);
  script.complains_when_stopped = false;
  script.echo = MemoryEcho::kNone;
  script.answers.errors = VmmAnswers::Errors::kErrno;
  script.answers.needs_reply_ack = true;
  script.answers.is_strict_about_fds = true;
}

void ApplyCrosvm(VmmScript& script) {
  ApplyRustVmm(script);
  script.is_owner_first = true;
  script.answers.unmap = VmmAnswers::Unmap::kOffset;
  script.answers.closes_after_failure = true;
}

void ApplyAlioth(VmmScript& script) {
  ApplyQemu(script);
  script.protocol_features = kUsualFeatures | FeatureMask(kFeatureOldShmem);
  script.asks_config = false;
  script.complains_when_stopped = false;
  script.echo = MemoryEcho::kNone;
  script.windows = {{0, uint64_t{8} << 30}};
  script.answers.always = true;
  script.answers.unmap = VmmAnswers::Unmap::kAny;
}

}  // namespace

VmmStep VmmStep::Wait(std::chrono::milliseconds wait) {
  VmmStep step = Of(Kind::kWait);
  step.wait = wait;
  return step;
}

VmmStep VmmStep::Mappings(uint64_t count) {
  VmmStep step = Of(Kind::kMappings);
  step.value = count;
  return step;
}

VmmStep VmmStep::SetStatus(uint64_t status) {
  VmmStep step = Of(Kind::kSetStatus);
  step.value = status;
  return step;
}

VmmScript DefaultVmmScript() {
  VmmScript script;
  ApplyQemu(script);
  script.steps = {VmmStep::Of(VmmStep::Kind::kStart), VmmStep::Of(VmmStep::Kind::kServe)};
  return script;
}

bool ApplyDialect(std::string_view name, VmmScript& script) {
  constexpr std::array<std::pair<std::string_view, void (*)(VmmScript&)>, 4> kDialects = {
      {{"qemu", ApplyQemu}, {"rust-vmm", ApplyRustVmm}, {"crosvm", ApplyCrosvm}, {"alioth", ApplyAlioth}}};
  for (const auto& [known, apply] : kDialects) {
    if (known != name) continue;
    apply(script);
    return true;
  }
  return false;
}

}  // namespace shmemd::peers
