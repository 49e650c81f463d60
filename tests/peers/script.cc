#include "tests/peers/script.h"

#include <utility>

namespace shmemd::peers {
namespace {

constexpr uint64_t kKiB = 1024;
constexpr uint64_t kMiB = 1024 * kKiB;

Step InFile(Step step, std::string file, uint64_t fd_offset) {
  step.request.file = std::move(file);
  step.request.fd_offset = fd_offset;
  return step;
}

Step ReadOnly(Step step) {
  step.request.flags = 0;
  return step;
}

Step Sealed(Step step) {
  step.request.backing = BackingKind::kSealedMemfd;
  return step;
}

// A buffer that comes and goes, larger each time.
Step ChangingBuffer() {
  constexpr uint64_t kShmOffset = 32 * kMiB;
  const auto pause = Step::Wait(std::chrono::seconds(1));
  std::vector<Step> steps;
  for (const uint64_t len : {kMiB, 2 * kMiB, 4 * kMiB}) {
    steps.push_back(Step::Map(0, kShmOffset, len));
    steps.push_back(pause);
    steps.push_back(Step::Unmap(0, kShmOffset, len));
    steps.push_back(pause);
  }
  return Step::Repeat(std::move(steps));
}

}  // namespace

Step Step::Map(uint8_t shmid, uint64_t shm_offset, uint64_t len, Expectation expect) {
  Step step;
  step.kind = Kind::kMap;
  step.request.shmid = shmid;
  step.request.shm_offset = shm_offset;
  step.request.len = len;
  step.request.flags = 1;
  step.request.expect = expect;
  return step;
}

Step Step::Unmap(uint8_t shmid, uint64_t shm_offset, uint64_t len, Expectation expect) {
  Step step = Map(shmid, shm_offset, len, expect);
  step.kind = Kind::kUnmap;
  step.request.flags = 0;
  step.request.fd_count = 0;
  return step;
}

Step Step::Wait(std::chrono::milliseconds wait) {
  Step step;
  step.kind = Kind::kWait;
  step.wait = wait;
  return step;
}

Step Step::Repeat(std::vector<Step> steps, std::optional<uint64_t> times) {
  Step step;
  step.kind = Kind::kRepeat;
  step.steps = std::move(steps);
  step.times = times;
  return step;
}

Script DefaultScript() {
  Script script;
  script.regions = {{0, 64 * kMiB}, {2, 16 * kMiB}, {5, 4 * kMiB}};
  script.steps = {
      Step::Map(0, 0, 64 * kKiB),
      InFile(Step::Map(0, 4 * kMiB, 8 * kMiB), "frames", 0),
      InFile(Step::Map(0, 16 * kMiB, 4 * kMiB), "frames", 8 * kMiB),
      Sealed(Step::Map(2, kMiB, 6 * kMiB)),
      ReadOnly(Sealed(Step::Map(2, 12 * kMiB, 512 * kKiB))),
      ReadOnly(Step::Map(5, 0, kMiB)),
      ChangingBuffer(),
  };
  return script;
}

uint64_t OfferedProtocolFeatures(const Features& features) {
  uint64_t bits = FeatureMask(kFeatureMq) | FeatureMask(kFeatureConfig) |
                  FeatureMask(kFeatureConfigureMemSlots) | FeatureMask(kFeatureStatus) |
                  features.more_protocol_features;
  if (features.reply_ack) bits |= FeatureMask(kFeatureReplyAck);
  if (features.backend_req) bits |= FeatureMask(kFeatureBackendReq);
  if (features.send_fd) bits |= FeatureMask(kFeatureBackendSendFd);
  if (features.shmem_bit) bits |= FeatureMask(*features.shmem_bit);
  return bits;
}

}  // namespace shmemd::peers
