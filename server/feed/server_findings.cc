#include "server/feed/server_findings.h"

#include <utility>

#include "server/base/clock.h"

namespace shmemd::feed {

void ServerFindings::Raise(state::FindingCode code, std::string summary,
                           std::map<std::string, std::string> evidence) {
  const int64_t now_ns = base::WallNanos();
  base::MutexLock lock(mutex_);
  state::ServerFinding& finding = findings_[code];
  finding.code = code;
  finding.open = true;
  if (++finding.count == 1) finding.first_seen_ns = now_ns;
  finding.last_seen_ns = now_ns;
  finding.summary = std::move(summary);
  finding.evidence = std::move(evidence);
}

void ServerFindings::Close(state::FindingCode code) {
  base::MutexLock lock(mutex_);
  const auto found = findings_.find(code);
  if (found != findings_.end()) found->second.open = false;
}

std::vector<state::ServerFinding> ServerFindings::List(bool include_closed) const {
  base::MutexLock lock(mutex_);
  std::vector<state::ServerFinding> list;
  for (const auto& [code, finding] : findings_) {
    if (finding.open || include_closed) list.push_back(finding);
  }
  return list;
}

}  // namespace shmemd::feed
