// The frontend loop against scripted back-ends, seen through the hub as an API reader sees it.
#include "server/frontend/frontend_loop.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <vector>

#include "tests/frontend/sidecar.h"
#include "tests/peers/backend_thread.h"
#include "tests/peers/misbehaviour.h"
#include "tests/peers/script.h"

namespace shmemd::frontend {
namespace {

using peers::BackendThread;
using peers::Step;
using state::Backend;
using state::BackendState;
using state::StateReason;
using testing::HasSubstr;

constexpr uint64_t kMiB = uint64_t{1} << 20;

// Regions 0, 2 and 5, no steps of its own.
peers::Script QuietScript() {
  peers::Script script = peers::DefaultScript();
  script.steps.clear();
  return script;
}

TEST(FrontendLoop, ShowsRegionsMappingsAndWhatWasSent) {
  const FdBalance balance;
  BackendThread peer(QuietScript());
  Sidecar sidecar;
  sidecar.Attach("gpu0", peer.socket_path());
  sidecar.Start();
  ASSERT_TRUE(sidecar.WaitForState("gpu0", BackendState::kActive));

  const state::BackendStatus status = sidecar.Status("gpu0");
  EXPECT_EQ(status.config.reported_num_regions, 3u);
  EXPECT_EQ(status.config.reply_payload_bytes, 2056u);
  EXPECT_EQ(status.config.meaning, state::NumRegionsMeaning::kCount);
  EXPECT_EQ(status.epoch, 1u);
  EXPECT_EQ(status.features.shmem_bit, 22);
  EXPECT_EQ(status.query_count, 1u);
  EXPECT_EQ(status.peer.pid, getpid());
  EXPECT_TRUE(sidecar.WaitFor("gpu0", [](const Backend& backend) { return backend.Totals().region_count == 3; }));

  EXPECT_EQ(peer.Do(Step::Map(0, 0, 2 * kMiB)), peers::StepAnswer(0));
  EXPECT_EQ(peer.Do(Step::Map(5, 4096, 4096)), peers::StepAnswer(0));
  EXPECT_TRUE(sidecar.WaitForMappedBytes("gpu0", 2 * kMiB + 4096));
  EXPECT_EQ(peer.Do(Step::Unmap(0, 0, 2 * kMiB)), peers::StepAnswer(0));
  EXPECT_TRUE(sidecar.WaitForMappedBytes("gpu0", 4096));
  sidecar.Stop();
  EXPECT_EQ(sidecar.Status("gpu0").state, BackendState::kDisconnected);
  EXPECT_EQ(sidecar.Status("gpu0").cause.reason, StateReason::kClosedByShmemd);
  peer.Stop();
}

TEST(FrontendLoop, AnswersRefusalsWithTheErrnoOfTheContract) {
  const FdBalance balance;
  BackendThread peer(QuietScript());
  Sidecar sidecar;
  sidecar.Attach("gpu0", peer.socket_path());
  sidecar.Start();
  const auto answer = [](int error_number) { return peers::StepAnswer(static_cast<uint64_t>(-int64_t{error_number})); };
  const peers::Expectation fails{peers::Expectation::Kind::kFail, 0};
  EXPECT_EQ(peer.Do(Step::Map(0, 0, 8192)), peers::StepAnswer(0));
  EXPECT_EQ(peer.Do(Step::Map(0, 4096, 8192, fails)), answer(EEXIST));
  EXPECT_EQ(peer.Do(Step::Map(0, 64 * kMiB - 4096, 8192, fails)), answer(EINVAL));
  EXPECT_EQ(peer.Do(Step::Map(1, 0, 4096, fails)), answer(EINVAL));
  EXPECT_EQ(peer.Do(Step::Map(0, 1 * kMiB, 0, fails)), answer(EINVAL));
  EXPECT_EQ(peer.Do(Step::Map(0, 1 * kMiB + 1, 4096, fails)), answer(EINVAL));
  EXPECT_EQ(peer.Do(Step::Unmap(0, 0, 4096, fails)), answer(EINVAL));
  EXPECT_EQ(peer.Do(Step::Unmap(0, 32 * kMiB, 4096, fails)), answer(EINVAL));
  EXPECT_TRUE(sidecar.WaitForMappedBytes("gpu0", 8192));
  sidecar.Stop();
  peer.Stop();
}

}  // namespace
}  // namespace shmemd::frontend
