// Every named misbehaviour of the scripted back-ends, and where it ends: in a state with its reason, or in a
// finding; with all descriptors closed, and with a healthy back-end beside it that notices nothing.
#include "tests/peers/misbehaviour.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <optional>
#include <ostream>
#include <string>

#include "server/frontend/frontend_loop.h"
#include "tests/frontend/sidecar.h"
#include "tests/peers/backend_thread.h"

namespace shmemd::frontend {
namespace {

using peers::Misbehaviour;
using state::Backend;
using state::BackendState;
using state::FindingCode;
using state::StateReason;
using state::WireAspect;

struct Ending {
  BackendState state = BackendState::kActive;
  StateReason reason = StateReason::kNone;
  std::optional<FindingCode> finding = std::nullopt;
  WireAspect aspect = WireAspect::kNone;
  bool on_backend_channel = false;
};

Ending Unsupported(StateReason reason) { return {.state = BackendState::kUnsupported, .reason = reason}; }
Ending OlderBit() {
  return {.state = BackendState::kUnsupported,
          .reason = StateReason::kShmemOlderBit,
          .finding = FindingCode::kShmemBitMismatch};
}
Ending Active(std::optional<FindingCode> finding = std::nullopt) { return {.finding = finding}; }
Ending Failed(StateReason reason, std::optional<FindingCode> finding = std::nullopt) {
  return {.state = BackendState::kFailed, .reason = reason, .finding = finding};
}
Ending Malformed(WireAspect aspect) {
  return {.state = BackendState::kFailed,
          .reason = StateReason::kConfigReplyMalformed,
          .finding = FindingCode::kConfigReplyMalformed,
          .aspect = aspect};
}
Ending ChannelEnds(BackendState state, StateReason reason,
                   std::optional<FindingCode> finding = std::nullopt) {
  return {.state = state, .reason = reason, .finding = finding, .on_backend_channel = true};
}

const std::map<std::string, Ending>& Endings() {
  static const std::map<std::string, Ending> kEndings = {
      {"no-shmem", Unsupported(StateReason::kShmemNotOffered)},
      {"no-protocol-features", Unsupported(StateReason::kNoProtocolFeatures)},
      {"no-reply-ack", Active(FindingCode::kNoReplyAck)},
      {"no-backend-req", Active(FindingCode::kMissingBackendReq)},
      {"no-send-fd", Active(FindingCode::kMissingBackendSendFd)},
      {"older-bit-20", OlderBit()},
      {"older-bit-21", OlderBit()},
      {"older-bit-31", OlderBit()},
      {"silent", Failed(StateReason::kReplyTimeout)},

      {"truncated-reply", Active(FindingCode::kConfigReplyTruncated)},
      {"truncated-span", Active(FindingCode::kNumRegionsSpan)},
      {"span", Active(FindingCode::kNumRegionsSpan)},
      {"count-too-small", Active(FindingCode::kNumRegionsTooSmall)},
      {"count-zero", Active(FindingCode::kNumRegionsTooSmall)},
      {"count-too-large", Active(FindingCode::kNumRegionsTooLarge)},
      {"count-300", Active(FindingCode::kNumRegionsTooLarge)},
      {"padding", Active(FindingCode::kPaddingNonzero)},
      {"no-regions", Active()},
      {"region-255", Active()},
      {"unaligned-size", Active(FindingCode::kRegionSizeUnaligned)},
      {"tiny-region", Active(FindingCode::kRegionSizeUnaligned)},
      {"huge-region", Active(FindingCode::kRegionSizeTooLarge)},
      {"sum-wraps", Active(FindingCode::kRegionSizeTooLarge)},
      {"changed-second-answer", Active()},
      {"torn-reply", Active()},
      {"slow-reply", Active()},

      {"wrong-id", Malformed(WireAspect::kRequestId)},
      {"wrong-flags", Malformed(WireAspect::kFlags)},
      {"need-reply-flags", Malformed(WireAspect::kFlags)},
      {"huge-size", Failed(StateReason::kMessageTooLarge, FindingCode::kMessageTooLarge)},
      {"oversize", Malformed(WireAspect::kPayloadBytes)},
      {"payload-2057", Malformed(WireAspect::kPayloadBytes)},
      {"payload-2055", Malformed(WireAspect::kPayloadBytes)},
      {"payload-4", Malformed(WireAspect::kPayloadBytes)},
      {"empty-reply", Malformed(WireAspect::kPayloadBytes)},
      {"short-of-size", Failed(StateReason::kReplyTimeout, FindingCode::kShmemAdvertisedNoConfig)},
      {"reply-with-fd", Malformed(WireAspect::kFdCount)},
      {"no-reply", Failed(StateReason::kReplyTimeout, FindingCode::kShmemAdvertisedNoConfig)},
      {"close-on-query", Failed(StateReason::kClosedByBackend, FindingCode::kShmemAdvertisedNoConfig)},
      {"close-mid-message", Failed(StateReason::kClosedMidMessage)},
      {"garbage", Failed(StateReason::kMessageTooLarge, FindingCode::kMessageTooLarge)},

      {"overlap", Active(FindingCode::kMapOverlap)},
      {"out-of-range", Active(FindingCode::kMapOutOfRange)},
      {"unaligned", Active(FindingCode::kMapUnaligned)},
      {"unaligned-len", Active(FindingCode::kMapUnaligned)},
      {"fd-offset-unaligned", Active(FindingCode::kFdOffsetUnaligned)},
      {"unknown-shmid", Active(FindingCode::kMapUnknownShmid)},
      {"wrapping", Active(FindingCode::kMapOutOfRange)},
      {"fd-offset-wrapping", Active(FindingCode::kMapOutOfRange)},
      {"len-zero", Active(FindingCode::kMapLenZero)},
      {"len-max", Active(FindingCode::kMapOutOfRange)},
      {"unmap-partial", Active(FindingCode::kUnmapPartial)},
      {"unmap-not-mapped", Active(FindingCode::kUnmapNotMapped)},
      {"unmap-twice", Active(FindingCode::kUnmapNotMapped)},
      {"two-fds", Active(FindingCode::kMapExtraFds)},
      {"many-fds", Active(FindingCode::kMapExtraFds)},
      {"no-fd", Active(FindingCode::kMapNoFd)},
      {"unmap-with-fd", Active(FindingCode::kUnmapWithFd)},
      {"beyond-eof", Active(FindingCode::kBeyondEof)},
      {"empty-file", Active(FindingCode::kEmptyBacking)},
      {"read-only-fd", Active(FindingCode::kMapNoResources)},
      {"pipe-fd", Active(FindingCode::kMapNoResources)},
      {"truncate-later", Active(FindingCode::kShrinkableBacking)},
      {"unknown-flags", Active(FindingCode::kMapUnknownFlags)},
      {"map-padding", Active(FindingCode::kPaddingNonzero)},
      {"map-without-ack", Active(FindingCode::kMapNoAck)},
      {"short-map", Active(FindingCode::kMapMalformed)},
      {"long-map", Active(FindingCode::kMapMalformed)},
      {"reserved-flags", Active(FindingCode::kHeaderOdd)},
      {"unknown-request", Active(FindingCode::kMessageUnknown)},
      {"older-map", Active(FindingCode::kMessageUnknown)},
      {"pipelined", Active()},
      {"torn-map", Active()},
      {"huge-map-size",
       ChannelEnds(BackendState::kFailed, StateReason::kMessageTooLarge, FindingCode::kMessageTooLarge)},
      {"half-map", ChannelEnds(BackendState::kFailed, StateReason::kClosedMidMessage)},
      {"close-channel", ChannelEnds(BackendState::kDisconnected, StateReason::kClosedByBackend)},
      {"disconnect", {.state = BackendState::kDisconnected, .reason = StateReason::kClosedByBackend}},
  };
  return kEndings;
}

bool IsAt(const Backend& backend, const Ending& ending) {
  const state::BackendStatus& status = backend.status();
  if (status.state != ending.state || status.cause.reason != ending.reason) return false;
  if (status.cause.on_backend_channel != ending.on_backend_channel) return false;
  if (ending.aspect != WireAspect::kNone && status.cause.aspect != ending.aspect) return false;
  return !ending.finding || HasFinding(backend, *ending.finding);
}

std::string Describe(const Backend& backend) {
  std::string text = state::BackendStateName(backend.status().state);
  text += " ";
  text += state::CauseText(backend.status().cause, "message");
  for (const auto& [key, finding] : backend.findings()) {
    text += "\n  ";
    text += state::FindingSummary(finding);
  }
  return text;
}

// Tries to connect are far apart, so that an ending stays.
FrontendConfig PatientConfig() {
  FrontendConfig config = QuickConfig();
  config.timeouts = {.connect_ns = 5'000'000'000, .query_ns = 2'000'000'000};
  config.reconnect = {.min_ns = 60'000'000'000, .max_ns = 60'000'000'000};
  return config;
}

class MisbehaviourTest : public testing::TestWithParam<std::string> {};

TEST_P(MisbehaviourTest, EndsWhereItShould) {
  const auto ending = Endings().find(GetParam());
  ASSERT_NE(ending, Endings().end()) << "the catalogue has grown: say where " << GetParam() << " ends";

  const FdBalance balance;
  peers::BackendThread healthy(peers::DefaultScript());
  peers::BackendThread peer(peers::MisbehavingScript(GetParam()));
  Sidecar sidecar(PatientConfig());
  sidecar.Attach("healthy", healthy.socket_path());
  sidecar.Attach("odd", peer.socket_path());
  sidecar.Start();
  const Ending& expected = ending->second;
  EXPECT_TRUE(sidecar.WaitFor("odd", [&](const Backend& backend) { return IsAt(backend, expected); }))
      << sidecar.Get<std::string>("odd", Describe);
  if (expected.state == BackendState::kActive && !expected.finding) {
    // Its script comes to an end, or to waiting, and nothing of it was taken amiss.
    peer.Do(peers::Step::Wait(std::chrono::milliseconds(0)));
    EXPECT_TRUE(sidecar.WaitFor("odd", [&](const Backend& backend) { return IsAt(backend, expected); }));
    EXPECT_EQ(sidecar.Status("odd").epoch, 1u);
  }
  if (expected.reason == StateReason::kClosedMidMessage) {
    EXPECT_FALSE(sidecar.Get<bool>("odd", [](const Backend& backend) {
      return HasFinding(backend, FindingCode::kShmemAdvertisedNoConfig);
    })) << "it did answer, if only by half";
  }
  if (expected.state != BackendState::kActive) {
    EXPECT_TRUE(sidecar.WaitForMappedBytes("odd", 0));
  }
  EXPECT_TRUE(sidecar.WaitForState("healthy", BackendState::kActive));
  EXPECT_EQ(sidecar.Status("healthy").epoch, 1u);
  sidecar.Stop();
  peer.Stop();
  healthy.Stop();
  EXPECT_EQ(healthy.transcript().unexpected_count(), 0u);
}

std::vector<std::string> Names() {
  std::vector<std::string> names;
  for (const Misbehaviour& misbehaviour : peers::AllMisbehaviours()) names.emplace_back(misbehaviour.name);
  return names;
}

std::string TestName(const testing::TestParamInfo<std::string>& parameter) {
  std::string name = parameter.param;
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
}

INSTANTIATE_TEST_SUITE_P(Catalogue, MisbehaviourTest, testing::ValuesIn(Names()), TestName);

}  // namespace
}  // namespace shmemd::frontend
