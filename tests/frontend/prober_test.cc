// A probe of every scripted back-end: which rules pass and which do not.
#include "server/frontend/prober.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

#include "tests/frontend/sidecar.h"
#include "tests/peers/backend_thread.h"
#include "tests/peers/misbehaviour.h"

namespace shmemd::frontend {
namespace {

using state::CheckResult;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr Timeouts kQuick{.connect_ns = 300'000'000, .query_ns = 700'000'000};

std::vector<std::string> FailedRules(const state::ProbeReport& report) {
  std::vector<std::string> rules;
  for (const state::ProbeCheck& check : report.checks) {
    if (check.result == CheckResult::kFailed) rules.push_back(check.rule);
  }
  return rules;
}

const state::ProbeCheck& Find(const state::ProbeReport& report, const std::string& rule) {
  for (const state::ProbeCheck& check : report.checks) {
    if (check.rule == rule) return check;
  }
  ADD_FAILURE() << "no rule " << rule;
  return report.checks.front();
}

state::ProbeReport ProbeOf(const std::string& misbehaviour) {
  peers::Script script =
      misbehaviour.empty() ? peers::DefaultScript() : peers::MisbehavingScript(misbehaviour);
  script.steps.clear();
  peers::BackendThread peer(script);
  absl::StatusOr<state::ProbeReport> report = Probe(peer.socket_path(), kQuick);
  EXPECT_TRUE(report.ok()) << report.status();
  return report.ok() ? *report : state::ProbeReport{};
}

TEST(Prober, AGoodBackendPasses) {
  const FdBalance balance;
  const state::ProbeReport report = ProbeOf("");
  EXPECT_TRUE(report.passed()) << report.failure_text;
  EXPECT_EQ(report.checks.size(), 17u);
  EXPECT_THAT(FailedRules(report), IsEmpty());
  EXPECT_THAT(report.regions, ElementsAre(std::pair<uint8_t, uint64_t>(0, 64u << 20),
                                          std::pair<uint8_t, uint64_t>(2, 16u << 20),
                                          std::pair<uint8_t, uint64_t>(5, 4u << 20)));
  EXPECT_EQ(report.config.reply_payload_bytes, 2056u);
  EXPECT_EQ(Find(report, "sum-power-of-two").result, CheckResult::kSkipped);
  for (const state::ProbeCheck& check : report.checks) {
    EXPECT_FALSE(check.description.empty() || check.source.empty() || check.evidence.empty()) << check.rule;
  }
}

// Its first map waits for an answer before anything else is read.
TEST(Prober, ABackendThatMapsIsRefusedAndCanAnswerAgain) {
  const FdBalance balance;
  peers::Script script = peers::DefaultScript();
  peers::BackendThread peer(script);
  const absl::StatusOr<state::ProbeReport> report = Probe(peer.socket_path(), kQuick);
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_TRUE(report->passed()) << report->failure_text;
  EXPECT_TRUE(peer.transcript().WaitFor("map shmid 0 "));
  peer.Stop();
}

TEST(ProbeReport, AnEndAtGetProtocolFeaturesDoesNotSpeakAgainstGetFeatures) {
  ProbeObservation seen;
  seen.features = {.virtio = vhost::kVirtioProtocolFeatures, .known = true};
  seen.failure = {.reason = state::StateReason::kClosedByBackend,
                  .message_id = Id(vhost::FrontendRequest::kGetProtocolFeatures)};
  const state::ProbeReport report = MakeProbeReport(seen, 4096);
  EXPECT_EQ(Find(report, "protocol-features-offered").result, CheckResult::kPassed);
  EXPECT_EQ(FailedRules(report), std::vector<std::string>{"shmem-bit-offered"});
}

TEST(ProbeReport, TheShmemBitIsTakenOnceSomethingWasAnsweredAfterIt) {
  ProbeObservation seen;
  seen.features = {.virtio = vhost::kVirtioProtocolFeatures,
                   .offered_protocol = WantedProtocolFeatures(),
                   .acked_protocol = WantedProtocolFeatures(),
                   .shmem_bit = 22,
                   .known = true};
  seen.failure = {.reason = state::StateReason::kClosedByBackend,
                  .message_id = Id(vhost::FrontendRequest::kSetBackendReqFd)};
  EXPECT_EQ(Find(MakeProbeReport(seen, 4096), "shmem-bit-acked").result, CheckResult::kSkipped);
  seen.failure.message_id = Id(vhost::FrontendRequest::kGetShmemConfig);
  EXPECT_EQ(Find(MakeProbeReport(seen, 4096), "shmem-bit-acked").result, CheckResult::kPassed);
}

TEST(ProbeReport, GarbageSpeaksAgainstTheRequestThatWaitedForAReply) {
  ProbeObservation seen;
  seen.features = {.virtio = vhost::kVirtioProtocolFeatures,
                   .offered_protocol = WantedProtocolFeatures(),
                   .acked_protocol = WantedProtocolFeatures(),
                   .shmem_bit = 22,
                   .known = true};
  seen.failure = {.reason = state::StateReason::kMessageTooLarge, .message_id = 0xa5a5a5a5};
  seen.awaited_id = Id(vhost::FrontendRequest::kSetBackendReqFd);
  EXPECT_EQ(FailedRules(MakeProbeReport(seen, 4096)), std::vector<std::string>{"backend-channel-accepted"});
  seen.awaited_id = Id(vhost::FrontendRequest::kGetShmemConfig);
  EXPECT_EQ(FailedRules(MakeProbeReport(seen, 4096)), std::vector<std::string>{"config-answered"});
}

TEST(Prober, EachMisbehaviourFailsItsRule) {
  const FdBalance balance;
  const std::map<std::string, std::vector<std::string>> expected = {
      {"no-shmem", {"shmem-bit-offered"}},
      {"no-protocol-features", {"protocol-features-offered"}},
      {"older-bit-21", {"shmem-bit-offered"}},
      {"no-backend-req", {"backend-channel-offered"}},
      {"no-send-fd", {"backend-channel-offered"}},
      {"no-reply-ack", {}},
      {"silent", {"protocol-features-offered"}},
      {"truncated-reply", {"reply-size"}},
      {"truncated-span", {"reply-size", "num-regions"}},
      {"span", {"num-regions"}},
      {"count-zero", {"num-regions"}},
      {"padding", {"padding-zero"}},
      {"unaligned-size", {"size-page-multiple"}},
      {"huge-region", {"size-limit"}},
      {"changed-second-answer", {"same-answer-twice"}},
      {"torn-reply", {}},
      {"wrong-id", {"reply-id"}},
      {"wrong-flags", {"reply-flags"}},
      {"reply-with-fd", {"reply-fds"}},
      {"oversize", {"reply-size"}},
      {"no-reply", {"config-answered"}},
      {"close-on-query", {"config-answered"}},
      {"garbage", {"config-answered"}},
      {"huge-size", {"config-answered"}},
  };
  for (const auto& [name, rules] : expected) {
    const state::ProbeReport report = ProbeOf(name);
    EXPECT_EQ(FailedRules(report), rules) << name;
    EXPECT_EQ(report.passed(), rules.empty()) << name;
  }
}

TEST(Prober, EvidenceSaysExpectedAndGot) {
  EXPECT_THAT(Find(ProbeOf("truncated-reply"), "reply-size").evidence, HasSubstr("2056 bytes, got 56"));
  EXPECT_THAT(Find(ProbeOf("older-bit-21"), "shmem-bit-offered").evidence, HasSubstr("rust-vmm vhost 0.16"));
  const state::ProbeReport silent = ProbeOf("silent");
  EXPECT_EQ(silent.failure.reason, state::StateReason::kReplyTimeout);
  EXPECT_THAT(silent.failure_text, HasSubstr("GET_FEATURES"));
}

TEST(Prober, NobodyThereIsAnErrorThatNamesTheSocket) {
  const FdBalance balance;
  const absl::StatusOr<state::ProbeReport> report = Probe("/nonexistent/gpu0.sock", kQuick);
  EXPECT_EQ(report.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(report.status().message()), HasSubstr("/nonexistent/gpu0.sock"));
  EXPECT_FALSE(Probe(std::string(200, 'x'), kQuick).ok());
}

}  // namespace
}  // namespace shmemd::frontend
