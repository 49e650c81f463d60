// A listening Unix socket at a path of ours, with its permissions right before anyone can connect.
//
// Owned by whoever accepts; any thread. The path is removed when the owner goes, if it is still ours.
#pragma once

#include <absl/status/statusor.h>
#include <sys/types.h>

#include <optional>
#include <string>

#include "server/base/unique_fd.h"

namespace shmemd::net {

struct ListenOptions {
  mode_t mode = 0600;
  std::optional<uid_t> owner = std::nullopt;  // as created
  std::optional<gid_t> group = std::nullopt;
  int backlog = 128;
};

class UnixListener {
 public:
  // Binds, sets owner, group and mode, then listens: in this order nobody connects before the permissions
  // hold. A stale path, one where nobody answers, is taken over; a lock file beside it (`path`.lock) keeps
  // two starters apart. FailedPrecondition, naming the path, when somebody answers, another instance holds
  // the lock or the path is no socket. InvalidArgument for a path that is too long.
  static absl::StatusOr<UnixListener> Listen(const std::string& path, const ListenOptions& options);

  ~UnixListener();
  UnixListener(UnixListener&& other) noexcept;
  UnixListener& operator=(UnixListener&&) = delete;
  UnixListener(const UnixListener&) = delete;
  UnixListener& operator=(const UnixListener&) = delete;

  // Other permissions for a socket that is served already; the backlog stays. On error they may be half
  // changed. FailedPrecondition, naming the path: another file is there now, which is left alone.
  absl::Status Permit(const ListenOptions& options) const;

  int fd() const { return socket_.get(); }  // non-blocking, close-on-exec; borrowed
  const std::string& path() const { return path_; }

  // The next waiting connection, blocking or not as the caller says; not open when nobody waits.
  // close-on-exec.
  base::UniqueFd Accept(bool non_blocking) const;
  // Gives the descriptor away, e.g. to a server that accepts itself. The path is still removed by us.
  base::UniqueFd TakeSocket() { return std::move(socket_); }

 private:
  UnixListener(std::string path, base::UniqueFd socket, base::UniqueFd lock, dev_t device, ino_t inode)
      : path_(std::move(path)),
        socket_(std::move(socket)),
        lock_(std::move(lock)),
        device_(device),
        inode_(inode) {}

  std::string path_;
  base::UniqueFd socket_;
  base::UniqueFd lock_;
  dev_t device_ = 0;
  ino_t inode_ = 0;
};

}  // namespace shmemd::net
