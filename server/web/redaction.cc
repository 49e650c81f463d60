#include "server/web/redaction.h"

#include <algorithm>
#include <variant>

namespace shmemd::web {
namespace {

// kNone ends the list, so what follows moves up.
void Redact(state::EvidenceList& evidence) {
  auto* const kept = std::remove_if(evidence.begin(), evidence.end(), [](const state::Evidence& one) {
    return one.key == state::EvidenceKey::kInode;
  });
  std::fill(kept, evidence.end(), state::Evidence{});
}

}  // namespace

void Redact(state::Finding& finding) { Redact(finding.evidence); }

void Redact(state::LogEntry& entry) {
  if (auto* raised = std::get_if<state::FindingRaised>(&entry.body)) Redact(raised->evidence);
}

}  // namespace shmemd::web
