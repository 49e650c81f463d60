// Where a watch stands: what is asked for next, and what the sink is told of what comes. No I/O and no
// threads; owned and used by a WatchThread.
#pragma once

#include <absl/status/status.h>

#include <string>

#include "shmemd/watcher.h"

namespace shmemd::client {

class WatchProgress {
 public:
  explicit WatchProgress(const WatchOptions& options);

  v1::WatchRequest NextRequest() const;
  // Tells the sink, then moves on.
  void Take(const v1::WatchResponse& response, WatchSink& sink);
  // The stream ended. True: ask again at once, because only the token was refused.
  bool Ended(const absl::Status& status);

  const std::string& token() const { return token_; }

 private:
  void BeginSnapshot(SnapshotReason reason, WatchSink& sink);
  void TakeSynced(int64_t revision, WatchSink& sink);

  v1::WatchRequest request_;
  bool changes_only_;
  std::string token_;
  SnapshotReason next_reason_ =
      SnapshotReason::kFirst;  // of the snapshot that a stream without token begins with
  bool in_snapshot_ = false;
};

}  // namespace shmemd::client
