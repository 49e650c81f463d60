#include "server/session/feature_findings.h"

#include "server/vhost/names.h"
#include "server/vhost/protocol.h"

namespace shmemd::session {
namespace {

using state::EvidenceKey;
using state::FindingCode;
using vhost::ProtocolFeature;

constexpr auto kShmemBit = static_cast<int8_t>(ProtocolFeature::kShmem);

}  // namespace

int8_t ShmemBitOf(uint64_t offered_protocol_features) {
  if (Has(offered_protocol_features, ProtocolFeature::kShmem)) return kShmemBit;
  const vhost::HistoricShmemBit* older = vhost::FindHistoricShmemBit(offered_protocol_features);
  return older == nullptr ? int8_t{-1} : static_cast<int8_t>(older->bit);
}

std::vector<state::FindingRaised> FeatureFindings(const state::Features& features) {
  const state::Evidence offered{EvidenceKey::kOfferedProtocolFeatures, features.offered_protocol};
  std::vector<state::FindingRaised> findings;
  const auto raise = [&](FindingCode code, const state::EvidenceList& evidence) {
    findings.push_back({code, state::kWholeBackend, evidence});
  };
  if (features.shmem_bit < 0) return findings;
  if (features.shmem_bit != kShmemBit) {
    raise(FindingCode::kShmemBitMismatch,
          {{{EvidenceKey::kFeatureBit, static_cast<uint64_t>(features.shmem_bit)}, offered}});
    return findings;
  }
  if (!Has(features.offered_protocol, ProtocolFeature::kReplyAck))
    raise(FindingCode::kNoReplyAck, {{offered}});
  if (!Has(features.offered_protocol, ProtocolFeature::kBackendReq))
    raise(FindingCode::kMissingBackendReq, {{offered}});
  if (!Has(features.offered_protocol, ProtocolFeature::kBackendSendFd))
    raise(FindingCode::kMissingBackendSendFd, {{offered}});
  return findings;
}

}  // namespace shmemd::session
