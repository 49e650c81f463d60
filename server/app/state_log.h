// Writes down what an operator looks for afterwards: each change of a back-end's state, with its reason, and
// each new warning. At most ten looks a second, so a flapping back-end cannot flood the log.
//
// Owned by the composition root; a thread of its own, which reads the replica like every other reader.
#pragma once

#include <absl/container/flat_hash_map.h>

#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "server/base/mutex.h"
#include "server/feed/hub.h"

namespace shmemd::app {

class StateLog {
 public:
  // `hub` outlives the object.
  explicit StateLog(const feed::Hub& hub);
  ~StateLog();  // writes down what came last, and joins the thread
  StateLog(const StateLog&) = delete;
  StateLog& operator=(const StateLog&) = delete;

 private:
  struct Seen {
    state::BackendState state{};
    state::Cause cause;
    uint32_t epoch = 0;
    absl::flat_hash_map<state::Backend::FindingKey, uint32_t> finding_epochs;  // when each was written down
  };

  void Run();
  // Until something changed; false when it is time to end.
  bool Wait(uint64_t seen_revision);
  uint64_t Look();
  void LookAt(const state::Backend& backend, std::vector<std::pair<bool, std::string>>& lines);

  const feed::Hub& hub_;
  absl::flat_hash_map<std::string, Seen> seen_;  // by uid
  base::Mutex mutex_;
  base::CondVar ending_;
  bool end_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace shmemd::app
