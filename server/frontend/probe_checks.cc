#include "server/frontend/probe_checks.h"

#include <absl/strings/str_cat.h>
#include <absl/strings/str_format.h>

#include <bit>
#include <limits>
#include <optional>
#include <utility>

#include "server/frontend/cause_words.h"
#include "server/session/config_reader.h"
#include "server/vhost/names.h"

namespace shmemd::frontend {
namespace {

using state::CheckResult;
using state::ProbeCheck;
using state::StateReason;
using state::WireAspect;
using vhost::ProtocolFeature;
using vhost::ShmemConfigReply;

constexpr const char* kSpecFeatures = "vhost-user specification, Protocol features";
constexpr const char* kSpecChannel = "vhost-user specification, Back-end communication";
constexpr const char* kSpecReply = "vhost-user specification, Header";
constexpr const char* kSpecConfig = "vhost-user specification, VIRTIO shared memory configuration";
constexpr const char* kSpecRequest = "vhost-user specification, VHOST_USER_GET_SHMEM_CONFIG";

struct Verdict {
  CheckResult result = CheckResult::kSkipped;
  std::string evidence;
};

Verdict Passed(std::string evidence) { return {CheckResult::kPassed, std::move(evidence)}; }
Verdict Failed(std::string evidence) { return {CheckResult::kFailed, std::move(evidence)}; }
Verdict Skipped(std::string evidence) { return {CheckResult::kSkipped, std::move(evidence)}; }
Verdict PassedIf(bool passed, std::string evidence) {
  return passed ? Passed(std::move(evidence)) : Failed(std::move(evidence));
}

// What came instead of a reply may name any message: the request that waited for it counts.
bool FailedAt(const ProbeObservation& seen, vhost::FrontendRequest request) {
  const uint32_t failed_id = seen.awaited_id != 0 ? seen.awaited_id : seen.failure.message_id;
  return seen.answers.empty() && seen.failure.reason != StateReason::kNone && failed_id == Id(request);
}

bool OffersShmem(const ProbeObservation& seen) {
  return seen.features.shmem_bit == static_cast<int8_t>(ProtocolFeature::kShmem);
}

Verdict ProtocolFeaturesOffered(const ProbeObservation& seen) {
  if (!seen.features.known) return Failed(CauseWords(seen.failure));
  return PassedIf((seen.features.virtio & vhost::kVirtioProtocolFeatures) != 0,
                  absl::StrFormat("GET_FEATURES answered 0x%x", seen.features.virtio));
}

Verdict ShmemBitOffered(const ProbeObservation& seen) {
  if (seen.failure.reason == StateReason::kNoProtocolFeatures || !seen.features.known) {
    return Skipped("no protocol features");
  }
  if (FailedAt(seen, vhost::FrontendRequest::kGetProtocolFeatures)) return Failed(CauseWords(seen.failure));
  const std::string offered = absl::StrFormat("offered 0x%x", seen.features.offered_protocol);
  if (OffersShmem(seen)) return Passed(offered);
  const vhost::HistoricShmemBit* older = vhost::FindHistoricShmemBit(seen.features.offered_protocol);
  if (older == nullptr) return Failed(absl::StrCat(offered, ": bit 22 is not among them"));
  const absl::string_view speaker(older->spoken_by.data(), older->spoken_by.size());
  const absl::string_view meaning(older->means_today.data(), older->means_today.size());
  return Failed(absl::StrCat(offered, ": bit 22 is not among them, bit ", older->bit, " is: SHMEM for ",
                             speaker, "; today ", meaning.empty() ? "unassigned" : meaning));
}

Verdict ChannelOffered(const ProbeObservation& seen) {
  if (!OffersShmem(seen)) return Skipped("SHMEM is not offered");
  const bool channel = Has(seen.features.offered_protocol, ProtocolFeature::kBackendReq);
  const bool fds = Has(seen.features.offered_protocol, ProtocolFeature::kBackendSendFd);
  return PassedIf(channel && fds, absl::StrCat("BACKEND_REQ ", channel ? "offered" : "missing",
                                               ", BACKEND_SEND_FD ", fds ? "offered" : "missing"));
}

Verdict ReplyAckOffered(const ProbeObservation& seen) {
  if (!OffersShmem(seen)) return Skipped("SHMEM is not offered");
  if (Has(seen.features.offered_protocol, ProtocolFeature::kReplyAck)) return Passed("offered");
  return Skipped("not offered: the back-end will not learn whether a mapping was made");
}

bool AnsweredAfterAck(const ProbeObservation& seen) {
  if (!seen.answers.empty()) return true;
  const StateReason reason = seen.failure.reason;
  const bool replied = reason == StateReason::kConfigReplyMalformed ||
                       reason == StateReason::kProtocolError || reason == StateReason::kUnexpectedFds ||
                       reason == StateReason::kRequestRefused;
  if (FailedAt(seen, vhost::FrontendRequest::kSetBackendReqFd)) return replied;
  if (!FailedAt(seen, vhost::FrontendRequest::kGetShmemConfig)) return false;
  const uint64_t acked = seen.features.acked_protocol;
  return replied || (Has(acked, ProtocolFeature::kBackendReq) && Has(acked, ProtocolFeature::kReplyAck));
}

Verdict ShmemBitAcked(const ProbeObservation& seen) {
  if (!OffersShmem(seen)) return Skipped("SHMEM is not offered");
  if (FailedAt(seen, vhost::FrontendRequest::kSetProtocolFeatures)) return Failed(CauseWords(seen.failure));
  // It has no answer of its own: only what was answered after it shows that it was taken.
  if (!AnsweredAfterAck(seen)) return Skipped("nothing was answered after it");
  return Passed(absl::StrFormat("acknowledged 0x%x", seen.features.acked_protocol));
}

Verdict ChannelAccepted(const ProbeObservation& seen) {
  if (!Has(seen.features.acked_protocol, ProtocolFeature::kBackendReq)) return Skipped("no back-end channel");
  if (FailedAt(seen, vhost::FrontendRequest::kSetBackendReqFd)) return Failed(CauseWords(seen.failure));
  if (!Has(seen.features.acked_protocol, ProtocolFeature::kReplyAck))
    return Skipped("no REPLY_ACK: no answer");
  return Passed("answered 0");
}

// The answer itself, as far as it was understood.
const ShmemConfigReply* First(const ProbeObservation& seen) {
  return seen.answers.empty() ? nullptr : &seen.answers.front();
}

bool Asked(const ProbeObservation& seen) {
  return First(seen) != nullptr || FailedAt(seen, vhost::FrontendRequest::kGetShmemConfig);
}

Verdict Answered(const ProbeObservation& seen) {
  if (!Asked(seen)) return Skipped("it was not asked");
  const bool malformed = seen.failure.reason == StateReason::kConfigReplyMalformed;
  if (First(seen) != nullptr || malformed) return Passed("answered");
  return Failed(CauseWords(seen.failure));
}

// The aspects of the reply in the order in which they are looked at: what comes behind a wrong one is not
// judged.
constexpr WireAspect kAspects[] = {WireAspect::kRequestId, WireAspect::kFlags, WireAspect::kFdCount,
                                   WireAspect::kPayloadBytes};

Verdict Aspect(const ProbeObservation& seen, WireAspect aspect, const std::string& expected) {
  if (First(seen) != nullptr) return Passed(expected);
  if (!Asked(seen) || seen.failure.reason != StateReason::kConfigReplyMalformed) return Skipped("no reply");
  for (const WireAspect looked_at : kAspects) {
    if (looked_at == aspect && aspect == seen.failure.aspect) return Failed(CauseWords(seen.failure));
    if (looked_at == aspect) return Passed(expected);
    if (looked_at == seen.failure.aspect) break;
  }
  return Skipped("not judged: what comes before it is wrong");
}

Verdict ReplySize(const ProbeObservation& seen) {
  const ShmemConfigReply* reply = First(seen);
  if (reply == nullptr) return Aspect(seen, WireAspect::kPayloadBytes, "2056 bytes");
  return PassedIf(!reply->truncated(),
                  absl::StrCat("expected a payload of ", sizeof(vhost::ShmemConfigPayload), " bytes, got ",
                               reply->payload_bytes));
}

Verdict NumRegions(const ShmemConfigReply& reply) {
  return PassedIf(
      reply.num_regions == reply.nonzero_sizes(),
      absl::StrCat("expected the count of sizes that are not 0, ", reply.nonzero_sizes(), ", got ",
                   reply.num_regions, " (", state::NumRegionsMeaningName(session::MeaningOf(reply)), ")"));
}

Verdict Padding(const ShmemConfigReply& reply) {
  return PassedIf(reply.padding == 0, absl::StrFormat("expected 0, got 0x%x", reply.padding));
}

Verdict PageMultiples(const ShmemConfigReply& reply, uint64_t page_size) {
  for (uint32_t shmid = 0; shmid < vhost::kMaxRegions; ++shmid) {
    if (reply.sizes[shmid] % page_size == 0) continue;
    return Failed(absl::StrFormat("shmid %u: 0x%x is no multiple of the page size 0x%x", shmid,
                                  reply.sizes[shmid], page_size));
  }
  return Passed(absl::StrFormat("all are multiples of 0x%x", page_size));
}

// nullopt: it does not fit 64 bits.
std::optional<uint64_t> Sum(const ShmemConfigReply& reply) {
  uint64_t sum = 0;
  for (const uint64_t size : reply.sizes) {
    if (__builtin_add_overflow(sum, size, &sum)) return std::nullopt;
  }
  return sum;
}

Verdict SizesFit(const ShmemConfigReply& reply) {
  constexpr uint64_t kMost = std::numeric_limits<int64_t>::max();
  for (uint32_t shmid = 0; shmid < vhost::kMaxRegions; ++shmid) {
    if (reply.sizes[shmid] > kMost) {
      return Failed(absl::StrFormat("shmid %u: 0x%x is 2^63 or more", shmid, reply.sizes[shmid]));
    }
  }
  const std::optional<uint64_t> sum = Sum(reply);
  if (!sum) return Failed("the sum of the sizes does not fit 64 bits");
  return Passed(absl::StrFormat("sum 0x%x", *sum));
}

Verdict SumPowerOfTwo(const ShmemConfigReply& reply) {
  const std::optional<uint64_t> sum = Sum(reply);
  if (sum && (*sum == 0 || std::has_single_bit(*sum))) return Passed(absl::StrFormat("sum 0x%x", *sum));
  return Skipped(
      "it is no power of two; that matters to QEMU's vhost-user-test-device-pci alone, which aborts");
}

Verdict SameTwice(const ProbeObservation& seen) {
  if (seen.answers.empty()) return Skipped("no answer to compare");
  if (seen.answers.size() < 2) return Failed(absl::StrCat("second question: ", CauseWords(seen.failure)));
  const ShmemConfigReply& first = seen.answers[0];
  const ShmemConfigReply& second = seen.answers[1];
  for (uint32_t shmid = 0; shmid < vhost::kMaxRegions; ++shmid) {
    if (first.sizes[shmid] == second.sizes[shmid]) continue;
    return Failed(
        absl::StrFormat("shmid %u: first 0x%x, then 0x%x", shmid, first.sizes[shmid], second.sizes[shmid]));
  }
  return PassedIf(session::SameAnswer(first, second),
                  absl::StrCat("first num_regions ", first.num_regions, " in ", first.payload_bytes,
                               " bytes, then ", second.num_regions, " in ", second.payload_bytes));
}

class CheckList {
 public:
  void Add(const char* rule, const char* description, const char* source, Verdict verdict) {
    checks_.push_back({rule, description, source, verdict.result, std::move(verdict.evidence)});
  }
  std::vector<ProbeCheck> Take() { return std::move(checks_); }

 private:
  std::vector<ProbeCheck> checks_;
};

void AddHandshakeChecks(const ProbeObservation& seen, CheckList& checks) {
  checks.Add("protocol-features-offered", "GET_FEATURES offers bit 30, VHOST_USER_F_PROTOCOL_FEATURES",
             kSpecFeatures, ProtocolFeaturesOffered(seen));
  checks.Add("shmem-bit-offered", "GET_PROTOCOL_FEATURES offers SHMEM at bit 22", kSpecFeatures,
             ShmemBitOffered(seen));
  checks.Add("backend-channel-offered", "BACKEND_REQ and BACKEND_SEND_FD are offered: SHMEM_MAP needs both",
             kSpecChannel, ChannelOffered(seen));
  checks.Add("reply-ack-offered", "REPLY_ACK is offered", "advice", ReplyAckOffered(seen));
  checks.Add("shmem-bit-acked", "SET_PROTOCOL_FEATURES with SHMEM is taken", kSpecFeatures,
             ShmemBitAcked(seen));
  checks.Add("backend-channel-accepted", "SET_BACKEND_REQ_FD is answered with 0", kSpecChannel,
             ChannelAccepted(seen));
}

void AddReplyChecks(const ProbeObservation& seen, CheckList& checks) {
  checks.Add("config-answered", "GET_SHMEM_CONFIG is answered", kSpecRequest, Answered(seen));
  checks.Add("reply-id", "The reply carries the request's id, 44", kSpecReply,
             Aspect(seen, WireAspect::kRequestId, "44"));
  checks.Add("reply-flags", "The reply's flags are 0x5: version 1 and REPLY", kSpecReply,
             Aspect(seen, WireAspect::kFlags, "0x5"));
  checks.Add("reply-fds", "The reply carries no descriptors", kSpecRequest,
             Aspect(seen, WireAspect::kFdCount, "none"));
  checks.Add("reply-size", "The payload is 2056 bytes, whatever the number of regions", kSpecConfig,
             ReplySize(seen));
}

void AddConfigChecks(const ProbeObservation& seen, uint64_t page_size, CheckList& checks) {
  const ShmemConfigReply* reply = First(seen);
  const auto judge = [reply](auto rule) { return reply != nullptr ? rule(*reply) : Skipped("no answer"); };
  checks.Add("num-regions", "num_regions is the count of sizes that are not 0", kSpecConfig,
             judge(NumRegions));
  checks.Add("padding-zero", "The padding behind num_regions is 0", "advice; nobody checks it",
             judge(Padding));
  checks.Add("size-page-multiple", "Each size is a multiple of the page size", kSpecRequest,
             judge([&](const ShmemConfigReply& answer) { return PageMultiples(answer, page_size); }));
  checks.Add("size-limit", "Each size is below 2^63, and their sum fits 64 bits", "QEMU 11.1",
             judge(SizesFit));
  checks.Add("sum-power-of-two", "The sum of the sizes is a power of two",
             "QEMU 11.1, vhost-user-test-device-pci", judge(SumPowerOfTwo));
  checks.Add("same-answer-twice", "Asked twice on one connection, the answer is the same", kSpecRequest,
             SameTwice(seen));
}

}  // namespace

state::ProbeReport MakeProbeReport(const ProbeObservation& seen, uint64_t page_size) {
  state::ProbeReport report;
  report.socket = seen.socket;
  report.start_time_ns = seen.start_time_ns;
  report.duration_ns = seen.duration_ns;
  report.features = seen.features;
  report.failure = seen.failure;
  report.failure_text = CauseWords(seen.failure);
  if (const ShmemConfigReply* reply = First(seen)) {
    report.config = session::AsSent(*reply, state::ConfigSource::kAsked, seen.start_time_ns);
    for (uint32_t shmid = 0; shmid < vhost::kMaxRegions; ++shmid) {
      if (reply->sizes[shmid] != 0)
        report.regions.emplace_back(static_cast<uint8_t>(shmid), reply->sizes[shmid]);
    }
  }
  CheckList checks;
  AddHandshakeChecks(seen, checks);
  AddReplyChecks(seen, checks);
  AddConfigChecks(seen, page_size, checks);
  report.checks = checks.Take();
  return report;
}

}  // namespace shmemd::frontend
