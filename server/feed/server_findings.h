// The findings about shmemd itself, one a code. They come from no mover, so they are in no replica.
//
// Owned by the composition root; outlives those who raise and who read. Any thread.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "server/base/mutex.h"
#include "server/state/server_finding.h"

namespace shmemd::feed {

class ServerFindings {
 public:
  // Opens the finding, or says that it was seen again.
  void Raise(state::FindingCode code, std::string summary, std::map<std::string, std::string> evidence);
  // It holds no more. Nothing happens if it was not there.
  void Close(state::FindingCode code);

  // By code.
  std::vector<state::ServerFinding> List(bool include_closed) const;

 private:
  mutable base::Mutex mutex_;
  std::map<state::FindingCode, state::ServerFinding> findings_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace shmemd::feed
