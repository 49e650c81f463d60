#include "server/session/config_reader.h"

#include <algorithm>
#include <bit>
#include <limits>

namespace shmemd::session {
namespace {

using state::EvidenceKey;
using state::EvidenceList;
using state::FindingCode;
using state::FindingRaised;
using state::NumRegionsMeaning;
using vhost::ShmemConfigReply;

// The specification shows sizes as they are; what people are shown is a signed 64-bit number.
constexpr uint64_t kMostRegionBytes = std::numeric_limits<int64_t>::max();

uint32_t Span(const ShmemConfigReply& reply) {
  const std::optional<uint32_t> highest = reply.highest_shmid();
  return highest ? *highest + 1 : 0;
}

int16_t HighestShmid(const ShmemConfigReply& reply) {
  return static_cast<int16_t>(static_cast<int>(Span(reply)) - 1);
}

FindingRaised Raise(FindingCode code, int16_t shmid, const EvidenceList& evidence) {
  return {.code = code, .shmid = shmid, .evidence = evidence};
}

void AddNumRegionsFinding(const ShmemConfigReply& reply, std::vector<FindingRaised>& findings) {
  FindingCode code{};
  switch (MeaningOf(reply)) {
    case NumRegionsMeaning::kSpan:
      code = FindingCode::kNumRegionsSpan;
      break;
    case NumRegionsMeaning::kTooSmall:
      code = FindingCode::kNumRegionsTooSmall;
      break;
    case NumRegionsMeaning::kTooLarge:
      code = FindingCode::kNumRegionsTooLarge;
      break;
    default:
      return;
  }
  EvidenceList evidence{{{EvidenceKey::kNumRegions, reply.num_regions},
                         {EvidenceKey::kNonzeroSizeCount, reply.nonzero_sizes()}}};
  if (Span(reply) > 0) evidence[2] = {EvidenceKey::kHighestShmid, Span(reply) - 1};
  findings.push_back(Raise(code, state::kWholeBackend, evidence));
}

void AddSizeFindings(const ShmemConfigReply& reply, uint64_t page_size,
                     std::vector<FindingRaised>& findings) {
  for (uint32_t shmid = 0; shmid < vhost::kMaxRegions; ++shmid) {
    const uint64_t size = reply.sizes[shmid];
    const auto id = static_cast<int16_t>(shmid);
    if (size % page_size != 0) {
      findings.push_back(Raise(FindingCode::kRegionSizeUnaligned, id,
                               {{{EvidenceKey::kShmid, shmid},
                                 {EvidenceKey::kRegionSizeBytes, size},
                                 {EvidenceKey::kPageSizeBytes, page_size}}}));
    }
    if (size > kMostRegionBytes) {
      findings.push_back(Raise(FindingCode::kRegionSizeTooLarge, id,
                               {{{EvidenceKey::kShmid, shmid},
                                 {EvidenceKey::kRegionSizeBytes, size},
                                 {EvidenceKey::kLimit, kMostRegionBytes}}}));
    }
  }
}

void AddSumFindings(const ShmemConfigReply& reply, std::vector<FindingRaised>& findings) {
  uint64_t sum = 0;
  for (const uint64_t size : reply.sizes) {
    if (__builtin_add_overflow(sum, size, &sum)) {
      findings.push_back(Raise(FindingCode::kRegionSizeTooLarge, state::kWholeBackend,
                               {{{EvidenceKey::kSumBytes, std::numeric_limits<uint64_t>::max()},
                                 {EvidenceKey::kLimit, kMostRegionBytes}}}));
      return;
    }
  }
  if (sum == 0 || std::has_single_bit(sum)) return;
  findings.push_back(
      Raise(FindingCode::kRegionSumNotPowerOfTwo, state::kWholeBackend, {{{EvidenceKey::kSumBytes, sum}}}));
}

// The first difference, as evidence.
FindingRaised ChangedFinding(const ShmemConfigReply& before, const ShmemConfigReply& now,
                             bool same_connection) {
  const FindingCode code =
      same_connection ? FindingCode::kConfigChanged : FindingCode::kConfigChangedAfterReconnect;
  for (uint32_t shmid = 0; shmid < vhost::kMaxRegions; ++shmid) {
    if (before.sizes[shmid] == now.sizes[shmid]) continue;
    return Raise(code, state::kWholeBackend,
                 {{{EvidenceKey::kShmid, shmid},
                   {EvidenceKey::kExpected, before.sizes[shmid]},
                   {EvidenceKey::kGot, now.sizes[shmid]}}});
  }
  if (before.num_regions != now.num_regions) {
    return Raise(code, state::kWholeBackend,
                 {{{EvidenceKey::kNumRegions, now.num_regions},
                   {EvidenceKey::kExpected, before.num_regions},
                   {EvidenceKey::kGot, now.num_regions}}});
  }
  return Raise(code, state::kWholeBackend,
               {{{EvidenceKey::kReplyPayloadBytes, now.payload_bytes},
                 {EvidenceKey::kExpected, before.payload_bytes},
                 {EvidenceKey::kGot, now.payload_bytes}}});
}

void AddRegions(const ShmemConfigReply& reply, const std::optional<PreviousConfig>& previous,
                std::vector<state::EventBody>& events) {
  for (uint32_t shmid = 0; shmid < vhost::kMaxRegions; ++shmid) {
    const auto id = static_cast<uint8_t>(shmid);
    if (reply.sizes[shmid] != 0) {
      events.emplace_back(state::RegionReported{reply.sizes[shmid], id, ExposedByVmm(reply, id)});
    } else if (previous && previous->reply.sizes[shmid] != 0) {
      events.emplace_back(state::RegionRetired{id});
    }
  }
}

bool Contains(const std::vector<FindingRaised>& findings, const FindingRaised& wanted) {
  return std::any_of(findings.begin(), findings.end(), [&](const FindingRaised& finding) {
    return finding.code == wanted.code && finding.shmid == wanted.shmid;
  });
}

}  // namespace

NumRegionsMeaning MeaningOf(const ShmemConfigReply& reply) {
  const uint32_t count = reply.nonzero_sizes();
  const uint32_t span = Span(reply);
  if (reply.num_regions == count)
    return count == span ? NumRegionsMeaning::kCountOrSpan : NumRegionsMeaning::kCount;
  if (reply.num_regions < count) return NumRegionsMeaning::kTooSmall;
  return reply.num_regions == span ? NumRegionsMeaning::kSpan : NumRegionsMeaning::kTooLarge;
}

state::Exposed ExposedByVmm(const ShmemConfigReply& reply, uint8_t shmid) {
  if (reply.sizes[shmid] == 0) return state::Exposed::kNo;
  if (reply.num_regions > vhost::kMaxRegions) return state::Exposed::kUnknown;
  uint32_t before = 0;
  for (uint32_t i = 0; i < shmid; ++i) before += reply.sizes[i] != 0 ? 1 : 0;
  return before < reply.num_regions ? state::Exposed::kYes : state::Exposed::kNo;
}

state::ShmemConfig AsSent(const ShmemConfigReply& reply, state::ConfigSource source, int64_t now_ns) {
  return {.reported_num_regions = reply.num_regions,
          .nonzero_size_count = static_cast<uint16_t>(reply.nonzero_sizes()),
          .highest_shmid = HighestShmid(reply),
          .reply_payload_bytes = reply.payload_bytes,
          .meaning = MeaningOf(reply),
          .source = source,
          .padding_nonzero = reply.padding != 0,
          .observe_time_ns = now_ns};
}

std::vector<FindingRaised> ConfigFindings(const ShmemConfigReply& reply, uint64_t page_size) {
  std::vector<FindingRaised> findings;
  if (reply.truncated()) {
    findings.push_back(Raise(FindingCode::kConfigReplyTruncated, state::kWholeBackend,
                             {{{EvidenceKey::kReplyPayloadBytes, reply.payload_bytes},
                               {EvidenceKey::kExpected, sizeof(vhost::ShmemConfigPayload)},
                               {EvidenceKey::kGot, reply.payload_bytes}}}));
  }
  if (reply.padding != 0) {
    findings.push_back(Raise(FindingCode::kPaddingNonzero, state::kWholeBackend,
                             {{{EvidenceKey::kPadding, reply.padding},
                               {EvidenceKey::kMessageId, Id(vhost::FrontendRequest::kGetShmemConfig)}}}));
  }
  AddNumRegionsFinding(reply, findings);
  AddSizeFindings(reply, page_size, findings);
  AddSumFindings(reply, findings);
  return findings;
}

bool SameAnswer(const ShmemConfigReply& left, const ShmemConfigReply& right) {
  return left.sizes == right.sizes && left.num_regions == right.num_regions &&
         left.payload_bytes == right.payload_bytes;
}

std::vector<state::EventBody> ReadConfig(const ShmemConfigReply& reply,
                                         const std::optional<PreviousConfig>& previous,
                                         const ConfigContext& context) {
  std::vector<state::EventBody> events;
  AddRegions(reply, previous, events);
  events.emplace_back(state::ConfigSeen{AsSent(reply, context.source, context.now_ns)});

  const std::vector<FindingRaised> findings = ConfigFindings(reply, context.page_size);
  if (previous && previous->same_connection) {
    for (const FindingRaised& old : ConfigFindings(previous->reply, context.page_size)) {
      if (!Contains(findings, old)) events.emplace_back(state::FindingClosed{old.code, old.shmid});
    }
  }
  if (previous && !SameAnswer(previous->reply, reply)) {
    events.emplace_back(ChangedFinding(previous->reply, reply, previous->same_connection));
  }
  events.insert(events.end(), findings.begin(), findings.end());
  return events;
}

}  // namespace shmemd::session
