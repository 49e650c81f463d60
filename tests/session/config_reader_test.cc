// Each form of an answer to GET_SHMEM_CONFIG, and what it means.
#include "server/session/config_reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace shmemd::session {
namespace {

using state::Exposed;
using state::FindingCode;
using state::NumRegionsMeaning;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::UnorderedElementsAreArray;
using vhost::ShmemConfigReply;

constexpr uint64_t kMiB = uint64_t{1} << 20;
constexpr uint64_t kPage = 4096;

ShmemConfigReply Reply(uint32_t num_regions, const std::map<uint8_t, uint64_t>& sizes,
                       uint32_t payload_bytes = 2056, uint32_t padding = 0) {
  ShmemConfigReply reply;
  reply.num_regions = num_regions;
  reply.payload_bytes = payload_bytes;
  reply.padding = padding;
  for (const auto& [shmid, size] : sizes) reply.sizes[shmid] = size;
  return reply;
}

struct Row {
  std::string name;
  ShmemConfigReply reply;
  NumRegionsMeaning meaning;
  std::vector<FindingCode> findings;
};

std::vector<Row> Rows() {
  using Code = FindingCode;
  using Meaning = NumRegionsMeaning;
  return {
      {"no regions", Reply(0, {}), Meaning::kCountOrSpan, {}},
      {"no gap", Reply(2, {{0, kMiB}, {1, kMiB}}), Meaning::kCountOrSpan, {}},
      {"gap, count", Reply(2, {{0, kMiB}, {2, kMiB}}), Meaning::kCount, {}},
      {"gap, span", Reply(3, {{0, kMiB}, {2, kMiB}}), Meaning::kSpan, {Code::kNumRegionsSpan}},
      {"between count and span",
       Reply(3, {{0, kMiB}, {9, kMiB}}),
       Meaning::kTooLarge,
       {Code::kNumRegionsTooLarge}},
      {"zero with two sizes",
       Reply(0, {{0, kMiB}, {1, kMiB}}),
       Meaning::kTooSmall,
       {Code::kNumRegionsTooSmall}},
      {"two with three sizes",
       Reply(2, {{0, kMiB}, {1, kMiB}, {2, 2 * kMiB}}),
       Meaning::kTooSmall,
       {Code::kNumRegionsTooSmall}},
      {"two without sizes", Reply(2, {}), Meaning::kTooLarge, {Code::kNumRegionsTooLarge}},
      {"256 with gap", Reply(256, {{0, kMiB}, {3, kMiB}}), Meaning::kTooLarge, {Code::kNumRegionsTooLarge}},
      {"300", Reply(300, {{0, kMiB}}), Meaning::kTooLarge, {Code::kNumRegionsTooLarge}},
      {"lone 255, count", Reply(1, {{255, kMiB}}), Meaning::kCount, {}},
      {"lone 255, span", Reply(256, {{255, kMiB}}), Meaning::kSpan, {Code::kNumRegionsSpan}},
      {"cut, no gap",
       Reply(2, {{0, kMiB}, {1, kMiB}}, 24),
       Meaning::kCountOrSpan,
       {Code::kConfigReplyTruncated}},
      {"cut, gap, span",
       Reply(3, {{0, kMiB}, {2, kMiB}}, 32),
       Meaning::kSpan,
       {Code::kConfigReplyTruncated, Code::kNumRegionsSpan}},
      {"cut, gap, count",
       Reply(2, {{0, kMiB}, {2, kMiB}}, 32),
       Meaning::kCount,
       {Code::kConfigReplyTruncated}},
      {"padding", Reply(1, {{0, kMiB}}, 2056, 0xdeadbeef), Meaning::kCountOrSpan, {Code::kPaddingNonzero}},
      {"unaligned size",
       Reply(1, {{0, 0x1800}}),
       Meaning::kCountOrSpan,
       {Code::kRegionSizeUnaligned, Code::kRegionSumNotPowerOfTwo}},
      {"2^63", Reply(1, {{0, uint64_t{1} << 63}}), Meaning::kCountOrSpan, {Code::kRegionSizeTooLarge}},
      {"sum wraps",
       Reply(3, {{0, uint64_t{3} << 62}, {1, uint64_t{1} << 62}, {2, kMiB}}),
       Meaning::kCountOrSpan,
       {Code::kRegionSizeTooLarge, Code::kRegionSizeTooLarge}},
      {"sum no power of two",
       Reply(2, {{0, kMiB}, {1, 2 * kMiB}}),
       Meaning::kCountOrSpan,
       {Code::kRegionSumNotPowerOfTwo}},
  };
}

std::vector<FindingCode> Codes(const std::vector<state::FindingRaised>& findings) {
  std::vector<FindingCode> codes;
  codes.reserve(findings.size());
  for (const state::FindingRaised& finding : findings) codes.push_back(finding.code);
  return codes;
}

TEST(ConfigReader, EachFormMeansWhatItShould) {
  for (const Row& row : Rows()) {
    EXPECT_EQ(MeaningOf(row.reply), row.meaning) << row.name;
    EXPECT_THAT(Codes(ConfigFindings(row.reply, kPage)), UnorderedElementsAreArray(row.findings)) << row.name;
  }
}

TEST(ConfigReader, EverySizeThatIsNotZeroIsARegionWhateverIsClaimed) {
  for (const Row& row : Rows()) {
    std::map<uint8_t, uint64_t> expected;
    for (uint32_t i = 0; i < 256; ++i) {
      if (row.reply.sizes[i] != 0) expected.emplace(static_cast<uint8_t>(i), row.reply.sizes[i]);
    }
    std::map<uint8_t, uint64_t> regions;
    size_t configs = 0;
    for (const state::EventBody& event :
         ReadConfig(row.reply, std::nullopt, {.page_size = kPage, .now_ns = 7})) {
      if (const auto* region = std::get_if<state::RegionReported>(&event)) {
        regions.emplace(region->shmid, region->size_bytes);
        EXPECT_EQ(configs, 0u) << row.name << ": the answer comes after its regions";
      }
      if (const auto* seen = std::get_if<state::ConfigSeen>(&event)) {
        ++configs;
        EXPECT_EQ(seen->config.reported_num_regions, row.reply.num_regions);
        EXPECT_EQ(seen->config.nonzero_size_count, expected.size());
        EXPECT_EQ(seen->config.reply_payload_bytes, row.reply.payload_bytes);
        EXPECT_EQ(seen->config.highest_shmid, expected.empty() ? -1 : expected.rbegin()->first);
        EXPECT_EQ(seen->config.padding_nonzero, row.reply.padding != 0);
        EXPECT_EQ(seen->config.source, state::ConfigSource::kAsked);
        EXPECT_EQ(seen->config.observe_time_ns, 7);
      }
    }
    EXPECT_EQ(regions, expected) << row.name;
    EXPECT_EQ(configs, 1u) << row.name;
  }
}

TEST(ConfigReader, SaysWhatAVmmWouldNotShow) {
  const ShmemConfigReply small = Reply(1, {{0, kMiB}, {3, kMiB}});
  EXPECT_EQ(ExposedByVmm(small, 0), Exposed::kYes);
  EXPECT_EQ(ExposedByVmm(small, 3), Exposed::kNo);
  EXPECT_EQ(ExposedByVmm(Reply(0, {{0, kMiB}}), 0), Exposed::kNo);
  EXPECT_EQ(ExposedByVmm(Reply(256, {{0, kMiB}, {3, kMiB}}), 3), Exposed::kYes);
  EXPECT_EQ(ExposedByVmm(Reply(300, {{0, kMiB}}), 0), Exposed::kUnknown);
}

TEST(ConfigReader, EvidenceHasTheNumbers) {
  const std::vector<state::FindingRaised> findings = ConfigFindings(Reply(1, {{4, 0x1800}}, 48), kPage);
  const auto find = [&](FindingCode code) {
    for (const state::FindingRaised& finding : findings) {
      if (finding.code == code) return finding;
    }
    return state::FindingRaised{};
  };
  const state::FindingRaised unaligned = find(FindingCode::kRegionSizeUnaligned);
  EXPECT_EQ(unaligned.shmid, 4);
  EXPECT_EQ(unaligned.evidence[1], (state::Evidence{state::EvidenceKey::kRegionSizeBytes, 0x1800}));
  EXPECT_EQ(unaligned.evidence[2], (state::Evidence{state::EvidenceKey::kPageSizeBytes, kPage}));
  EXPECT_EQ(find(FindingCode::kConfigReplyTruncated).evidence[0],
            (state::Evidence{state::EvidenceKey::kReplyPayloadBytes, 48}));
}

// What a second answer changes, as a list of words.
std::vector<std::string> Changes(const ShmemConfigReply& before, const ShmemConfigReply& now,
                                 bool same_connection) {
  std::vector<std::string> words;
  for (const state::EventBody& event :
       ReadConfig(now, PreviousConfig{before, same_connection}, {.page_size = kPage})) {
    if (const auto* retired = std::get_if<state::RegionRetired>(&event)) {
      words.push_back("retired " + std::to_string(retired->shmid));
    } else if (const auto* raised = std::get_if<state::FindingRaised>(&event)) {
      const bool info = raised->code == FindingCode::kConfigChangedAfterReconnect;
      words.push_back((info ? "info " : "raised ") + std::string(state::FindingCodeName(raised->code)));
    } else if (const auto* closed = std::get_if<state::FindingClosed>(&event)) {
      words.push_back("closed " + std::string(state::FindingCodeName(closed->code)));
    }
  }
  return words;
}

TEST(ConfigReader, TheSameAnswerAgainChangesNothing) {
  const ShmemConfigReply reply = Reply(2, {{0, kMiB}, {2, kMiB}});
  EXPECT_THAT(Changes(reply, reply, true), IsEmpty());
  EXPECT_THAT(Changes(reply, reply, false), IsEmpty());
  const ShmemConfigReply garbage = Reply(2, {{0, kMiB}, {2, kMiB}}, 2056, 1);
  const ShmemConfigReply other_garbage = Reply(2, {{0, kMiB}, {2, kMiB}}, 2056, 2);
  EXPECT_THAT(Changes(garbage, other_garbage, true), ElementsAre("raised PADDING_NONZERO"));
}

TEST(ConfigReader, AnotherAnswerIsAnErrorOnOneConnectionAndInfoAfterAReconnect) {
  const ShmemConfigReply before = Reply(2, {{0, kMiB}, {2, kMiB}});
  const ShmemConfigReply now = Reply(1, {{0, 2 * kMiB}});
  EXPECT_THAT(Changes(before, now, true), ElementsAre("retired 2", "raised CONFIG_CHANGED"));
  EXPECT_THAT(Changes(before, now, false), ElementsAre("retired 2", "info CONFIG_CHANGED"));
}

TEST(ConfigReader, FindingsThatNoLongerHoldAreClosed) {
  const ShmemConfigReply before = Reply(3, {{0, kMiB}, {2, kMiB}}, 2056, 1);
  const ShmemConfigReply now = Reply(2, {{0, kMiB}, {2, kMiB}}, 2056, 1);
  EXPECT_THAT(Changes(before, now, true),
              ElementsAre("closed NUM_REGIONS_SPAN", "raised CONFIG_CHANGED", "raised PADDING_NONZERO"));
  // A new connection has closed all of them already.
  EXPECT_THAT(Changes(before, now, false), ElementsAre("info CONFIG_CHANGED", "raised PADDING_NONZERO"));
}

}  // namespace
}  // namespace shmemd::session
