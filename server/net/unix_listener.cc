#include "server/net/unix_listener.h"

#include <absl/strings/str_cat.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "server/base/posix_error.h"
#include "server/net/unix_socket.h"

namespace shmemd::net {
namespace {

absl::Status Errno(const char* action, const std::string& path) {
  const int error_number = errno;
  return base::PosixError(error_number, absl::StrCat(action, " ", path));
}

// Held as long as we listen. The file itself stays: removing it would let a third starter in.
absl::StatusOr<base::UniqueFd> Lock(const std::string& path) {
  const std::string lock_path = absl::StrCat(path, ".lock");
  base::UniqueFd lock(open(lock_path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!lock.is_open()) return Errno("open", lock_path);
  if (flock(lock.get(), LOCK_EX | LOCK_NB) == 0) return lock;
  if (errno != EWOULDBLOCK) return Errno("lock", lock_path);
  return absl::FailedPreconditionError(
      absl::StrCat("listen on ", path, ": another process holds ", lock_path));
}

// Removes a socket that nobody serves any more.
absl::Status RemoveStale(const std::string& path) {
  struct stat status {};
  if (lstat(path.c_str(), &status) != 0) return errno == ENOENT ? absl::OkStatus() : Errno("stat", path);
  if (!S_ISSOCK(status.st_mode)) {
    return absl::FailedPreconditionError(
        absl::StrCat("listen on ", path, ": expected nothing or a socket there, got another kind of file"));
  }
  const ConnectAttempt probe = TryConnect(path);
  if (probe.socket.is_open() || probe.error_number == EAGAIN) {
    return absl::FailedPreconditionError(absl::StrCat("listen on ", path, ": somebody serves it already"));
  }
  if (probe.error_number != ECONNREFUSED) {
    return base::PosixError(probe.error_number, absl::StrCat("connect to what stands at ", path));
  }
  return unlink(path.c_str()) == 0 || errno == ENOENT ? absl::OkStatus() : Errno("remove stale socket", path);
}

}  // namespace

absl::StatusOr<UnixListener> UnixListener::Listen(const std::string& path, const ListenOptions& options) {
  const absl::StatusOr<sockaddr_un> address = UnixAddress(path);
  if (!address.ok()) return address.status();
  absl::StatusOr<base::UniqueFd> lock = Lock(path);
  if (!lock.ok()) return lock.status();
  if (absl::Status status = RemoveStale(path); !status.ok()) return status;

  base::UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!socket.is_open()) return Errno("make a socket for", path);
  if (bind(socket.get(), reinterpret_cast<const sockaddr*>(&*address), sizeof(*address)) != 0) {
    return Errno("bind", path);
  }
  struct stat status {};
  if (lstat(path.c_str(), &status) != 0) return Errno("stat", path);
  UnixListener listener(path, std::move(socket), *std::move(lock), status.st_dev, status.st_ino);

  if (absl::Status permitted = listener.Permit(options); !permitted.ok()) return permitted;
  if (listen(listener.fd(), options.backlog) != 0) return Errno("listen on", path);
  return listener;
}

// By a descriptor: who may write to the directory can put a link to another file at the path at any moment.
absl::Status UnixListener::Permit(const ListenOptions& options) const {
  const base::UniqueFd file(open(path_.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
  struct stat facts {};
  if (!file.is_open() || fstat(file.get(), &facts) != 0) return Errno("look at", path_);
  if (!S_ISSOCK(facts.st_mode) || facts.st_dev != device_ || facts.st_ino != inode_) {
    return absl::FailedPreconditionError(
        absl::StrCat("permissions of ", path_, ": expected the socket that we made, got another file"));
  }
  if (options.owner || options.group) {
    const uid_t owner = options.owner.value_or(static_cast<uid_t>(-1));
    const gid_t group = options.group.value_or(static_cast<gid_t>(-1));
    if (fchownat(file.get(), "", owner, group, AT_EMPTY_PATH) != 0) return Errno("chown", path_);
  }
  // fchmod takes no descriptor of this kind, but its name does.
  const std::string name = absl::StrCat("/proc/self/fd/", file.get());
  if (chmod(name.c_str(), options.mode) == 0) return absl::OkStatus();
  if (errno == ENOENT && fchmodat(AT_FDCWD, path_.c_str(), options.mode, AT_SYMLINK_NOFOLLOW) == 0)
    return absl::OkStatus();
  return Errno("chmod", path_);
}

UnixListener::UnixListener(UnixListener&& other) noexcept
    : path_(std::exchange(other.path_, {})),
      socket_(std::move(other.socket_)),
      lock_(std::move(other.lock_)),
      device_(other.device_),
      inode_(other.inode_) {}

UnixListener::~UnixListener() {
  if (path_.empty()) return;
  struct stat status {};
  if (lstat(path_.c_str(), &status) != 0) return;
  if (status.st_dev == device_ && status.st_ino == inode_) unlink(path_.c_str());
}

base::UniqueFd UnixListener::Accept(bool non_blocking) const {
  const int flags = SOCK_CLOEXEC | (non_blocking ? SOCK_NONBLOCK : 0);
  int fd = -1;
  do {
    fd = accept4(socket_.get(), nullptr, nullptr, flags);
  } while (fd < 0 && (errno == EINTR || errno == ECONNABORTED));
  return base::UniqueFd(fd);
}

}  // namespace shmemd::net
