// A vhost-user back-end that follows a script: listens on a Unix socket, serves one front-end after the
// other. Used on one thread; the caller's stop_fd ends it from any other.
#pragma once

#include <sys/types.h>

#include <string>

#include "absl/status/statusor.h"
#include "tests/peers/fd.h"
#include "tests/peers/script.h"
#include "tests/peers/step_queue.h"
#include "tests/peers/transcript.h"

namespace shmemd::peers {

// A listening socket at a path. Unlinks the path at the end if it is still its own.
class ListenSocket {
 public:
  // Takes a path over when nobody answers there any more. An error names the path and the reason.
  static absl::StatusOr<ListenSocket> Open(const std::string& path);

  ListenSocket(ListenSocket&&) = default;
  ListenSocket& operator=(ListenSocket&&) = delete;
  ~ListenSocket();

  int fd() const { return socket_.get(); }

 private:
  ListenSocket(Fd socket, std::string path, dev_t device, ino_t inode);

  Fd socket_;
  std::string path_;
  dev_t device_;
  ino_t inode_;
};

class DemoBackend {
 public:
  // All outlive the back-end.
  DemoBackend(const Script* script, StepQueue* posted, Transcript* transcript)
      : script_(script), posted_(posted), transcript_(transcript) {}

  // Serves connections until `stop_fd` is readable, or one only.
  void Serve(const ListenSocket& listener, int stop_fd, bool is_once);

 private:
  const Script* script_;
  StepQueue* posted_;
  Transcript* transcript_;
};

}  // namespace shmemd::peers
