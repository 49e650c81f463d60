// What operators read: summaries, remedies, causes, names.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <cmath>
#include <set>
#include <string>

#include "server/state/backend_spec.h"
#include "server/state/findings.h"
#include "server/state/probe_report.h"
#include "server/state/status.h"

namespace shmemd::state {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::MatchesRegex;
using testing::Not;
using testing::Pair;

Finding Of(FindingCode code, int16_t shmid, const EvidenceList& evidence) {
  Finding finding;
  finding.code = code;
  finding.shmid = shmid;
  finding.evidence = evidence;
  return finding;
}

std::string SummaryOf(FindingCode code, int16_t shmid, const EvidenceList& evidence) {
  return FindingSummary(Of(code, shmid, evidence));
}

class EveryFindingTest : public testing::TestWithParam<int> {};

TEST_P(EveryFindingTest, HasNameSummaryAndRemedy) {
  const auto code = static_cast<FindingCode>(GetParam());
  EXPECT_THAT(std::string(FindingCodeName(code)), MatchesRegex("[A-Z][A-Z_]+[A-Z]"));
  EXPECT_THAT(std::string(SeverityName(FindingSeverity(code))), MatchesRegex("info|warning|error"));
  const std::string remedy(FindingRemedy(code));
  EXPECT_GT(remedy.size(), 30U);
  EXPECT_EQ(remedy.back(), '.');

  // Without any number it is a sentence still, apart from a question mark where only a number makes sense.
  for (const EvidenceList& evidence :
       {EvidenceList{}, EvidenceList{{{EvidenceKey::kShmOffset, 0x1000}, {EvidenceKey::kLen, 0x2000}}}}) {
    const std::string summary = SummaryOf(code, 1, evidence);
    EXPECT_GT(summary.size(), 15U);
    EXPECT_THAT(summary, Not(MatchesRegex(".*[][{}|].*"))) << "left over from the template";
    EXPECT_THAT(summary, Not(HasSubstr("  ")));
    EXPECT_NE(summary.back(), '.');
  }
}

INSTANTIATE_TEST_SUITE_P(All, EveryFindingTest, testing::Range(0, kFindingCodeCount),
                         [](const auto& param_info) {
                           const auto code = static_cast<FindingCode>(param_info.param);
                           const std::string name(FindingCodeName(code));
                           return code == FindingCode::kConfigChangedAfterReconnect ? name + "_LATER" : name;
                         });

TEST(FindingTest, NamesAreUniqueButForTheChangedConfig) {
  std::set<std::string_view> names;
  for (int code = 0; code < kFindingCodeCount; ++code)
    names.insert(FindingCodeName(static_cast<FindingCode>(code)));
  EXPECT_EQ(names.size(), static_cast<size_t>(kFindingCodeCount) - 1);
}

TEST(FindingTest, AnUnknownCodeHasWordsToo) {
  EXPECT_EQ(FindingCodeName(static_cast<FindingCode>(255)), "UNKNOWN");
  EXPECT_FALSE(SummaryOf(static_cast<FindingCode>(255), 0, {}).empty());
}

TEST(FindingTest, SummariesSayTheNumbers) {
  EXPECT_EQ(SummaryOf(FindingCode::kMapOverlap, 2,
                      {{{EvidenceKey::kShmOffset, 0x10000},
                        {EvidenceKey::kLen, 0x8000},
                        {EvidenceKey::kOtherOffset, 0x14000},
                        {EvidenceKey::kOtherLen, 0x1000}}}),
            "SHMEM_MAP of 0x8000 bytes at 0x10000 overlaps the mapping of 0x1000 bytes at 0x14000");
  EXPECT_EQ(SummaryOf(FindingCode::kMapOverlap, 2, {}), "SHMEM_MAP overlaps another mapping");
  EXPECT_EQ(SummaryOf(FindingCode::kNumRegionsTooSmall, kWholeBackend,
                      {{{EvidenceKey::kNumRegions, 0}, {EvidenceKey::kNonzeroSizeCount, 2}}}),
            "num_regions is 0, but 2 sizes are not 0: VMMs ignore the surplus regions");
  EXPECT_EQ(SummaryOf(FindingCode::kRegionSizeUnaligned, 3,
                      {{{EvidenceKey::kRegionSizeBytes, 0x1800}, {EvidenceKey::kPageSizeBytes, 4096}}}),
            "region 3 has 6144 bytes, no multiple of the page size (4096 bytes)");
  EXPECT_EQ(
      SummaryOf(FindingCode::kConfigChanged, kWholeBackend,
                {{{EvidenceKey::kShmid, 2}, {EvidenceKey::kExpected, 4096}, {EvidenceKey::kGot, 8192}}}),
      "GET_SHMEM_CONFIG was answered differently on the same connection: size of shmid 2 was 4096, is 8192");
  EXPECT_EQ(SummaryOf(FindingCode::kMapNoResources, 0, {{{EvidenceKey::kErrorNumber, ENOMEM}}}),
            "SHMEM_MAP could not be mapped: ENOMEM");
  EXPECT_EQ(
      SummaryOf(FindingCode::kHeaderOdd, kWholeBackend,
                {{{EvidenceKey::kMessageId, 9}, {EvidenceKey::kExpected, 9}, {EvidenceKey::kGot, 0x19}}}),
      "message 9 has an odd header: expected flags 0x9, got 0x19");
}

TEST(FindingTest, EvidenceIsHexForOffsetsAndMasksElseDecimal) {
  const EvidenceList evidence{{{EvidenceKey::kShmOffset, 0x10000},
                               {EvidenceKey::kLen, 4096},
                               {EvidenceKey::kFlags, 0x30},
                               {EvidenceKey::kErrorNumber, EEXIST}}};
  EXPECT_THAT(FindingEvidence(Of(FindingCode::kMapOverlap, 0, evidence)),
              ElementsAre(Pair("shm_offset", "0x10000"), Pair("len", "4096"), Pair("flags", "0x30"),
                          Pair("error_number", "EEXIST")));
}

TEST(CauseTextTest, SaysWhoWhatExpectedGot) {
  struct Case {
    Cause cause;
    std::string_view message_name;
    std::string_view text;
  };
  const Case cases[] = {
      {{}, "", ""},
      {{.reason = StateReason::kSocketMissing, .error_number = ENOENT},
       "",
       "connect: No such file or directory (ENOENT)"},
      {{.reason = StateReason::kConnectionRefused, .error_number = ECONNREFUSED},
       "",
       "connect: Connection refused (ECONNREFUSED)"},
      {{.reason = StateReason::kConnectTimeout, .waited_ms = 1500}, "", "connect: not accepted within 1.5 s"},
      {{.reason = StateReason::kReplyTimeout, .message_id = 44, .waited_ms = 5000},
       "GET_SHMEM_CONFIG",
       "no reply to GET_SHMEM_CONFIG within 5 s"},
      {{.reason = StateReason::kReplyTimeout, .message_id = 99, .waited_ms = 250},
       "",
       "no reply to message 99 within 250 ms"},
      {{.reason = StateReason::kConfigReplyMalformed,
        .aspect = WireAspect::kPayloadBytes,
        .message_id = 44,
        .expected = 2056,
        .got = 2064},
       "GET_SHMEM_CONFIG",
       "reply to GET_SHMEM_CONFIG: expected payload of 8 to 2056 bytes, got 2064"},
      {{.reason = StateReason::kConfigReplyMalformed,
        .aspect = WireAspect::kPayloadBytes,
        .message_id = 44,
        .expected = 2056,
        .got = 2055},
       "GET_SHMEM_CONFIG",
       "reply to GET_SHMEM_CONFIG: expected payload of 8 to 2056 bytes in steps of 8, got 2055"},
      {{.reason = StateReason::kProtocolError,
        .aspect = WireAspect::kPayloadBytes,
        .message_id = 1,
        .expected = 8,
        .got = 4},
       "GET_FEATURES",
       "reply to GET_FEATURES: expected payload of 8 bytes, got 4"},
      {{.reason = StateReason::kProtocolError,
        .aspect = WireAspect::kFlags,
        .message_id = 1,
        .expected = 5,
        .got = 13},
       "GET_FEATURES",
       "reply to GET_FEATURES: expected flags 0x5, got 0xd"},
      {{.reason = StateReason::kProtocolError,
        .aspect = WireAspect::kRequestId,
        .message_id = 44,
        .expected = 44,
        .got = 43},
       "GET_SHMEM_CONFIG",
       "reply to GET_SHMEM_CONFIG: expected request id 44, got 43"},
      {{.reason = StateReason::kProtocolError, .aspect = WireAspect::kRequestId, .message_id = 15, .got = 15},
       "GET_PROTOCOL_FEATURES",
       "GET_PROTOCOL_FEATURES came although nothing was asked"},
      {{.reason = StateReason::kUnexpectedFds, .aspect = WireAspect::kFdCount, .message_id = 1, .got = 2},
       "GET_FEATURES",
       "reply to GET_FEATURES: expected no file descriptors, got 2"},
      {{.reason = StateReason::kProtocolError,
        .aspect = WireAspect::kFdCount,
        .on_backend_channel = true,
        .message_id = 9,
        .expected = 1,
        .got = 0},
       "SHMEM_MAP",
       "SHMEM_MAP on the back-end channel: expected 1 file descriptor, got 0"},
      {{.reason = StateReason::kMessageTooLarge, .message_id = 1, .expected = 4096, .got = 0xffffffff},
       "GET_FEATURES",
       "GET_FEATURES: expected payload of at most 4096 bytes, got 4294967295"},
      {{.reason = StateReason::kClosedByBackend}, "", "the back-end closed the connection"},
      {{.reason = StateReason::kClosedByBackend, .on_backend_channel = true},
       "",
       "the back-end closed the back-end channel"},
      {{.reason = StateReason::kClosedByBackend, .message_id = 44, .error_number = ECONNRESET},
       "GET_SHMEM_CONFIG",
       "the back-end closed the connection instead of replying to GET_SHMEM_CONFIG (ECONNRESET)"},
      {{.reason = StateReason::kClosedMidMessage, .expected = 12, .got = 7},
       "",
       "the back-end closed the connection in the middle of a message: expected 12 bytes, got 7"},
      {{.reason = StateReason::kShmemOlderBit, .got = 21},
       "",
       "the back-end does not offer protocol feature SHMEM (bit 22), but bit 21 that stood for it in an "
       "earlier draft"},
      {{.reason = StateReason::kSystemError, .error_number = EMFILE},
       "",
       "shmemd has reached its own limit of open descriptors (EMFILE)"},
      {{.reason = StateReason::kRequestRefused, .message_id = 21, .got = 1},
       "SET_BACKEND_REQ_FD",
       "SET_BACKEND_REQ_FD was refused: the back-end answered 1"},
  };
  for (const Case& one : cases) EXPECT_EQ(CauseText(one.cause, one.message_name), one.text);
}

TEST(CauseTextTest, EveryReasonHasNameAndWords) {
  std::set<std::string> names;
  for (int reason = 0; reason < kStateReasonCount; ++reason) {
    const auto value = static_cast<StateReason>(reason);
    names.insert(StateReasonName(value));
    EXPECT_EQ(CauseText({.reason = value}, "").empty(), value == StateReason::kNone);
  }
  EXPECT_EQ(names.size(), static_cast<size_t>(kStateReasonCount));
  EXPECT_EQ(names.count("UNKNOWN"), 0U);
}

TEST(NamesTest, EveryFailureAndStateHasItsOwn) {
  std::set<std::string> failures;
  for (int i = 0; i < kRequestFailureCount; ++i)
    failures.insert(RequestFailureName(static_cast<RequestFailure>(i)));
  EXPECT_EQ(failures.size(), static_cast<size_t>(kRequestFailureCount));
  EXPECT_EQ(failures.count("unknown"), 0U);
  std::set<std::string> states;
  for (int i = 0; i < kBackendStateCount; ++i) states.insert(BackendStateName(static_cast<BackendState>(i)));
  EXPECT_EQ(states.size(), static_cast<size_t>(kBackendStateCount));
  EXPECT_EQ(std::string(NumRegionsMeaningName(NumRegionsMeaning::kCountOrSpan)), "COUNT_OR_SPAN");
  EXPECT_EQ(std::string(ModeName(Mode::kProbe)), "probe");
}

TEST(BackendIdTest, FollowsItsPattern) {
  for (const char* good : {"a", "0", "fs0", "vm-1.media0", "a-b"})
    EXPECT_TRUE(IsValidBackendId(good)) << good;
  for (const char* bad : {"", "-a", "a-", ".a", "a.", "A", "a/b", "a b", "a_b", "\xc3\xa4"}) {
    EXPECT_FALSE(IsValidBackendId(bad)) << bad;
  }
  EXPECT_TRUE(IsValidBackendId(std::string(63, 'a')));
  EXPECT_FALSE(IsValidBackendId(std::string(64, 'a')));
}

TEST(DurationHistogramTest, BoundsArePowersOfFourAndInclusive) {
  DurationHistogram histogram;
  for (const int64_t duration_ns : {int64_t{-5}, int64_t{0}, int64_t{1000}, int64_t{1001}, int64_t{4000},
                                    int64_t{16'777'216'000}, int64_t{16'777'216'001}, INT64_MAX}) {
    histogram.Observe(duration_ns);
  }
  EXPECT_EQ(histogram.counts[0], 3U);
  EXPECT_EQ(histogram.counts[1], 2U);
  EXPECT_EQ(histogram.counts[12], 1U);
  EXPECT_EQ(histogram.counts[13], 2U);
  EXPECT_EQ(histogram.sum_ns, INT64_MAX);
  EXPECT_DOUBLE_EQ(DurationHistogram::UpperBoundSeconds(0), 1e-6);
  EXPECT_DOUBLE_EQ(DurationHistogram::UpperBoundSeconds(12), 16.777216);
  EXPECT_TRUE(std::isinf(DurationHistogram::UpperBoundSeconds(13)));
}

ProbeCheck CheckWith(CheckResult result) {
  ProbeCheck check;
  check.result = result;
  return check;
}

TEST(ProbeReportTest, PassesIfNothingFailedAndItCameToItsEnd) {
  ProbeReport report;
  EXPECT_TRUE(report.passed());
  report.checks.push_back(CheckWith(CheckResult::kPassed));
  report.checks.push_back(CheckWith(CheckResult::kSkipped));
  EXPECT_TRUE(report.passed());
  report.failure.reason = StateReason::kReplyTimeout;
  EXPECT_FALSE(report.passed());
  report.failure = {};
  report.checks.push_back(CheckWith(CheckResult::kFailed));
  EXPECT_FALSE(report.passed());
}

TEST(FindingWordsTest, AMalformedAnswerSaysWhichOfItIsWrong) {
  const auto summary = [](EvidenceKey key, uint64_t expected, uint64_t got) {
    return SummaryOf(FindingCode::kConfigReplyMalformed, kWholeBackend,
                     {{{key, got}, {EvidenceKey::kExpected, expected}}});
  };
  EXPECT_THAT(summary(EvidenceKey::kFlags, 5, 1), HasSubstr("expected flags 0x5, got 0x1"));
  EXPECT_THAT(summary(EvidenceKey::kFdCount, 0, 2), HasSubstr("expected 0 file descriptors, got 2"));
  EXPECT_THAT(summary(EvidenceKey::kMessageId, 44, 43), HasSubstr("expected message 44, got 43"));
  EXPECT_THAT(summary(EvidenceKey::kReplyPayloadBytes, 2056, 4),
              HasSubstr("expected 8 to 2056 bytes of payload in steps of 8, got 4"));
}

}  // namespace
}  // namespace shmemd::state
