// The frontend loop against scripted back-ends, seen through the hub as an API reader sees it.
#include "server/frontend/frontend_loop.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "server/frontend/prober.h"
#include "server/net/unix_listener.h"
#include "server/net/unix_socket.h"
#include "tests/frontend/sidecar.h"
#include "tests/peers/backend_process.h"
#include "tests/peers/backend_thread.h"
#include "tests/peers/misbehaviour.h"
#include "tests/peers/script.h"
#include "tests/peers/temporary_directory.h"

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

TEST(FrontendLoop, WhyABackendCannotBeUsedStaysShownWhileItIsTriedAgain) {
  const FdBalance balance;
  BackendThread peer(peers::MisbehavingScript("close-on-query"));
  Sidecar sidecar;
  sidecar.Attach("gpu0", peer.socket_path());
  sidecar.Start();
  bool failed = false;
  EXPECT_TRUE(sidecar.WaitFor("gpu0", [&](const Backend& backend) {
    const state::BackendStatus& status = backend.status();
    failed = failed || status.state == BackendState::kFailed;
    if (failed) {
      EXPECT_EQ(status.cause.reason, StateReason::kClosedByBackend);
      EXPECT_EQ(backend.Totals().open_finding_count, 1u);
    }
    return status.epoch >= 4;
  }));
  EXPECT_TRUE(failed);
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
  EXPECT_TRUE(
      sidecar.WaitFor("gpu0", [](const Backend& backend) { return backend.Totals().region_count == 3; }));

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
  const auto answer = [](int error_number) {
    return peers::StepAnswer(static_cast<uint64_t>(-int64_t{error_number}));
  };
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

std::string DemoBackend() { return std::string(SHMEMD_BIN_DIR) + "/shmem-demo-backend"; }

TEST(FrontendLoop, AKilledBackendIsGoneWithinASecondAndBackAfterItsRestart) {
  const FdBalance balance;
  const peers::TemporaryDirectory directory;
  const std::string socket = directory.path() + "/gpu0.sock";
  Sidecar sidecar;
  sidecar.Attach("gpu0", socket);
  sidecar.Start();
  EXPECT_TRUE(sidecar.WaitFor("gpu0", [](const Backend& backend) {
    return backend.status().state == BackendState::kConnecting &&
           backend.status().cause.reason == StateReason::kSocketMissing;
  }));
  const auto has_mappings = [](const Backend& backend) {
    return backend.status().state == BackendState::kActive && backend.Totals().mapped_bytes > 16 * kMiB;
  };
  {
    peers::BackendProcess process(DemoBackend(), {"--socket", socket});
    ASSERT_TRUE(sidecar.WaitFor("gpu0", has_mappings));
    process.Signal(SIGKILL);
    const int64_t killed_ns = base::MonotonicNanos();
    EXPECT_TRUE(sidecar.WaitForState("gpu0", BackendState::kDisconnected));
    EXPECT_LT(base::MonotonicNanos() - killed_ns, 1'000'000'000);
  }
  EXPECT_TRUE(sidecar.WaitForMappedBytes("gpu0", 0));
  EXPECT_EQ(sidecar.Status("gpu0").cause.reason, StateReason::kClosedByBackend);
  EXPECT_FALSE(sidecar.Get<bool>("gpu0", [](const Backend& backend) { return backend.up(); }));
  EXPECT_EQ(sidecar.Get<uint64_t>("gpu0", [](const Backend& backend) { return backend.Totals().size_bytes; }),
            84 * kMiB);
  {
    peers::BackendProcess process(DemoBackend(), {"--socket", socket});
    EXPECT_TRUE(sidecar.WaitFor("gpu0", has_mappings));
    EXPECT_EQ(sidecar.Status("gpu0").epoch, 2u);
  }
  sidecar.Stop();
}

TEST(FrontendLoop, ASilentBackendDelaysNobody) {
  const FdBalance balance;
  peers::BackendThread silent(peers::MisbehavingScript("silent"));
  peers::BackendThread healthy(QuietScript());
  FrontendConfig config = QuickConfig();
  config.timeouts.query_ns = 3'000'000'000;
  Sidecar sidecar(config);
  sidecar.Attach("a-silent", silent.socket_path());
  sidecar.Attach("healthy", healthy.socket_path());
  const int64_t start_ns = base::MonotonicNanos();
  sidecar.Start();
  EXPECT_TRUE(sidecar.WaitForState("healthy", BackendState::kActive));
  EXPECT_EQ(healthy.Do(Step::Map(0, 0, 4096)), peers::StepAnswer(0));
  EXPECT_TRUE(sidecar.WaitForMappedBytes("healthy", 4096));
  EXPECT_LT(base::MonotonicNanos() - start_ns, config.timeouts.query_ns);
  EXPECT_EQ(sidecar.Status("a-silent").state, BackendState::kNegotiating);
  EXPECT_TRUE(sidecar.WaitForState("a-silent", BackendState::kFailed));
  const state::Cause cause = sidecar.Status("a-silent").cause;
  EXPECT_EQ(cause.reason, StateReason::kReplyTimeout);
  EXPECT_EQ(cause.message_id, 1u);
  EXPECT_EQ(cause.waited_ms, 3000u);
  sidecar.Stop();
  silent.Stop();
  healthy.Stop();
}

TEST(FrontendLoop, AFullBacklogIsAConnectTimeout) {
  const FdBalance balance;
  const peers::TemporaryDirectory directory;
  const std::string socket = directory.path() + "/full.sock";
  net::UnixListener listener = net::UnixListener::Listen(socket, {.backlog = 0}).value();
  const net::ConnectAttempt first = net::TryConnect(socket);
  ASSERT_TRUE(first.socket.is_open());
  Sidecar sidecar;
  sidecar.Attach("gpu0", socket);
  sidecar.Start();
  EXPECT_TRUE(sidecar.WaitFor("gpu0", [](const Backend& backend) {
    return backend.status().cause.reason == StateReason::kConnectTimeout &&
           backend.status().cause.waited_ms == 300;
  }));
  sidecar.Stop();
}

TEST(FrontendLoop, TwoHundredBackendsAreServedWithinFiveSeconds) {
  const FdBalance balance;
  constexpr int kBackends = 200;
  std::vector<std::unique_ptr<BackendThread>> peers;
  peers.reserve(kBackends);
  for (int i = 0; i < kBackends; ++i) peers.push_back(std::make_unique<BackendThread>(QuietScript()));
  Sidecar sidecar(QuickConfig(), size_t{1} << 15);
  for (int i = 0; i < kBackends; ++i)
    sidecar.Attach("b" + std::to_string(i), peers[static_cast<size_t>(i)]->socket_path());
  const int64_t start_ns = base::MonotonicNanos();
  sidecar.Start();
  for (int i = 0; i < kBackends; ++i) {
    EXPECT_TRUE(sidecar.WaitForState("b" + std::to_string(i), BackendState::kActive)) << i;
  }
  EXPECT_LT(base::MonotonicNanos() - start_ns, 5'000'000'000);
  sidecar.Stop();
}

peers::Script FloodScript(uint64_t times) {
  peers::Script script = QuietScript();
  std::vector<Step> steps;
  for (uint64_t i = 0; i < 64; ++i) {
    steps.push_back(Step::Map(0, i * 8192, 4096));
    steps.push_back(Step::Unmap(0, i * 8192, 4096));
    steps[2 * i].request.wait_for_ack = false;
    steps[2 * i + 1].request.wait_for_ack = i == 63;
  }
  script.steps = {Step::Repeat(std::move(steps), times), Step::Map(5, 0, kMiB)};
  return script;
}

TEST(FrontendLoop, AFloodOfMapsEndsWithTheRightTableAndStarvesNobody) {
  const FdBalance balance;
  BackendThread flood(FloodScript(50));
  BackendThread healthy(QuietScript());
  // A queue that is too small: events are lost on the way and the reader is caught up with.
  Sidecar sidecar(QuickConfig(), 256);
  sidecar.Attach("flood", flood.socket_path());
  sidecar.Attach("healthy", healthy.socket_path());
  sidecar.Start();
  EXPECT_EQ(healthy.Do(Step::Map(0, 0, 4096)), peers::StepAnswer(0));
  EXPECT_TRUE(sidecar.WaitForMappedBytes("healthy", 4096));
  EXPECT_TRUE(sidecar.WaitForMappedBytes("flood", kMiB));
  EXPECT_TRUE(sidecar.WaitFor("flood", [](const Backend& backend) {
    const auto* region = backend.FindRegion(0);
    return region != nullptr && region->status.counters.map_requests == 3200 &&
           region->status.counters.map_failure_count() == 0 && region->table.totals().mapping_count == 0;
  }));
  sidecar.Stop();
  flood.Stop();
  EXPECT_EQ(flood.transcript().unexpected_count(), 0u);
}

TEST(FrontendLoop, LimitsAreAnsweredWithENOMEM) {
  const FdBalance balance;
  peers::Script script = QuietScript();
  script.regions[7] = uint64_t{1} << 33;
  BackendThread peer(script);
  FrontendConfig config = QuickConfig();
  config.limits.max_mappings = 2;
  Sidecar sidecar(config);
  sidecar.Attach("gpu0", peer.socket_path());
  sidecar.Start();
  const peers::Expectation fails{peers::Expectation::Kind::kFail, 0};
  const auto no_memory = peers::StepAnswer(static_cast<uint64_t>(-int64_t{ENOMEM}));
  EXPECT_EQ(peer.Do(Step::Map(7, 0, 4096, fails)), no_memory) << "the region is larger than a window may be";
  EXPECT_EQ(peer.Do(Step::Map(0, 0, 4096)), peers::StepAnswer(0));
  EXPECT_EQ(peer.Do(Step::Map(0, 4096, 4096)), peers::StepAnswer(0));
  EXPECT_EQ(peer.Do(Step::Map(0, 8192, 4096, fails)), no_memory);
  EXPECT_EQ(peer.Do(Step::Unmap(0, 0, 4096)), peers::StepAnswer(0));
  EXPECT_EQ(peer.Do(Step::Map(0, 8192, 4096)), peers::StepAnswer(0));
  EXPECT_TRUE(sidecar.WaitFor("gpu0", [](const Backend& backend) {
    return HasFinding(backend, state::FindingCode::kMappingLimit) && backend.FindRegion(7)->status.reported;
  }));
  sidecar.Stop();
}

TEST(FrontendLoop, RefreshAsksAgainOnTheSameConnection) {
  const FdBalance balance;
  peers::Script script = peers::MisbehavingScript("changed-second-answer");
  script.steps.clear();
  BackendThread peer(script);
  Sidecar sidecar;
  sidecar.Attach("gpu0", peer.socket_path());
  sidecar.Start();
  ASSERT_TRUE(sidecar.WaitForState("gpu0", BackendState::kActive));
  const feed::CommandResult result = sidecar.Do(feed::RefreshCommand{"gpu0"});
  EXPECT_EQ(result.failure, feed::CommandFailure::kNone) << result.message;
  // What the command brought is there for the next reader.
  EXPECT_EQ(sidecar.Status("gpu0").query_count, 2u);
  EXPECT_EQ(sidecar.Status("gpu0").epoch, 1u);
  EXPECT_TRUE(sidecar.Get<bool>("gpu0", [](const Backend& backend) {
    return HasFinding(backend, state::FindingCode::kConfigChanged) &&
           backend.FindRegion(0)->status.size_bytes == 128 * kMiB;
  }));
  sidecar.Stop();
}

TEST(FrontendLoop, RefreshSaysWhyItCannot) {
  const FdBalance balance;
  BackendThread older(peers::MisbehavingScript("older-bit-21"));
  Sidecar sidecar;
  sidecar.Attach("older", older.socket_path());
  sidecar.Attach("missing", "/nonexistent/gpu0.sock");
  sidecar.Start();
  ASSERT_TRUE(sidecar.WaitForState("older", BackendState::kUnsupported));
  EXPECT_EQ(sidecar.Do(feed::RefreshCommand{"older"}).failure, feed::CommandFailure::kShmemNotNegotiated);
  const feed::CommandResult missing = sidecar.Do(feed::RefreshCommand{"missing"});
  EXPECT_EQ(missing.failure, feed::CommandFailure::kBackendUnreachable);
  EXPECT_THAT(missing.message, HasSubstr("back-end missing: not connected"));
  EXPECT_EQ(sidecar.Do(feed::RefreshCommand{"nobody"}).failure, feed::CommandFailure::kBackendNotFound);
  sidecar.Stop();
}

TEST(FrontendLoop, ProbeModeAsksOnceLeavesAndKeepsTheAnswer) {
  const FdBalance balance;
  BackendThread peer(QuietScript());
  Sidecar sidecar;
  sidecar.Attach("cam0", peer.socket_path(), state::Mode::kProbe);
  sidecar.Start();
  ASSERT_TRUE(sidecar.WaitForState("cam0", BackendState::kProbed));
  EXPECT_EQ(sidecar.Status("cam0").query_count, 1u);
  EXPECT_GT(sidecar.Status("cam0").config.observe_time_ns, 0);
  // The connection is free for somebody else.
  EXPECT_TRUE(Probe(peer.socket_path(), {}).ok());
  EXPECT_EQ(sidecar.Status("cam0").query_count, 1u);
  EXPECT_EQ(sidecar.Status("cam0").state, BackendState::kProbed);

  EXPECT_EQ(sidecar.Do(feed::RefreshCommand{"cam0"}).failure, feed::CommandFailure::kNone);
  EXPECT_EQ(sidecar.Status("cam0").query_count, 2u);
  EXPECT_EQ(sidecar.Status("cam0").epoch, 2u);
  EXPECT_EQ(sidecar.Status("cam0").state, BackendState::kProbed);
  peer.Stop();
  EXPECT_EQ(sidecar.Do(feed::RefreshCommand{"cam0"}).failure, feed::CommandFailure::kBackendUnreachable);
  EXPECT_EQ(sidecar.Get<uint64_t>("cam0", [](const Backend& backend) { return backend.Totals().size_bytes; }),
            84 * kMiB);
  sidecar.Stop();
}

TEST(FrontendLoop, ProbeCommandReportsAndRespectsWhatIsInUse) {
  const FdBalance balance;
  BackendThread attached(QuietScript());
  BackendThread free_one(QuietScript());
  Sidecar sidecar;
  sidecar.Attach("gpu0", attached.socket_path());
  sidecar.Start();
  ASSERT_TRUE(sidecar.WaitForState("gpu0", BackendState::kActive));
  const feed::CommandResult busy = sidecar.Do(feed::ProbeCommand{attached.socket_path()});
  EXPECT_EQ(busy.failure, feed::CommandFailure::kBackendBusy);
  EXPECT_THAT(busy.message, HasSubstr("in use by back-end gpu0"));
  // It is the same socket by every other path, too.
  const peers::TemporaryDirectory directory;
  const std::filesystem::path socket = attached.socket_path();
  std::filesystem::create_symlink(socket, directory.path() + "/link.sock");
  std::filesystem::create_directory_symlink(socket.parent_path(), directory.path() + "/run");
  for (const std::string& path :
       {directory.path() + "/link.sock", directory.path() + "/run/" + socket.filename().string(),
        socket.parent_path().string() + "/./" + socket.filename().string()}) {
    EXPECT_EQ(sidecar.Do(feed::ProbeCommand{path}).failure, feed::CommandFailure::kBackendBusy) << path;
  }
  const feed::CommandResult done = sidecar.Do(feed::ProbeCommand{free_one.socket_path()});
  EXPECT_EQ(done.failure, feed::CommandFailure::kNone);
  ASSERT_TRUE(done.report.has_value());
  EXPECT_TRUE(done.report->passed());
  const feed::CommandResult missing = sidecar.Do(feed::ProbeCommand{"/nonexistent/x.sock"});
  EXPECT_EQ(missing.failure, feed::CommandFailure::kBackendUnreachable);
  sidecar.Stop();
}

}  // namespace
}  // namespace shmemd::frontend
