// Follows what a shmemd shows, and goes on by itself when the connection breaks.
//
//   shmemd::client::Watcher watcher(*client, {.parent = "backends/gpu0"}, &sink);
//
// Resumes behind the last answer that the sink took in, so that each change is told once; where the server
// does not keep what follows, a new snapshot begins. Tries again with a growing, random back-off, later where
// the server asks for it. A server that says nothing for so long that even bookmarks are missing is left for
// a new connection.
//
// Owns one thread, which sleeps while nothing happens, and one connection of its own. Any thread may call.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "shmemd/client.h"
#include "shmemd/watch_sink.h"

namespace shmemd::client {

struct WatchOptions {
  std::string parent = {};  // as ListMappingsRequest has it; empty: everything
  std::vector<v1::Event::Type> types =
      {};                         // only changes by these; empty: all. No copy can be kept with some only
  bool changes_only = false;      // no first snapshot; what is missed later is told by OnSnapshotBegin
  std::string resume_token = {};  // of an earlier watch of the same parent and types, to go on behind it
  // The first wait is up to `min_backoff`, each further one up to twice the one before.
  std::chrono::milliseconds min_backoff{100};
  std::chrono::milliseconds max_backoff{5'000};
  std::chrono::milliseconds silence_limit{45'000};  // shmemd says something every 30 s at least
};

class WatchThread;

class Watcher {
 public:
  // Begins at once. `sink` must live until the watcher is destroyed or Stop has returned.
  Watcher(const Client& client, WatchOptions options, WatchSink* sink);
  ~Watcher();  // stops; never on the watcher's own thread
  Watcher(const Watcher&) = delete;
  Watcher& operator=(const Watcher&) = delete;

  // No call of the sink begins after this. Waits for the one that runs, unless it is called from within that
  // one. May be called more than once.
  void Stop();

  // Where a later Watcher can go on: behind the last answer that the sink has taken in. Empty while there is
  // no such place, as before the first OnSynced.
  std::string resume_token() const;

 private:
  std::unique_ptr<WatchThread> thread_;
};

}  // namespace shmemd::client
