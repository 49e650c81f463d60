#include "server/app/state_file.h"

#include <absl/strings/str_cat.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <utility>

#include "server/base/posix_error.h"

namespace shmemd::app {
namespace {

constexpr char kName[] = "attached.yaml";
constexpr char kNewName[] = "attached.yaml.new";
constexpr char kLockName[] = "lock";
constexpr off_t kMostBytes = off_t{64} << 20;
constexpr int kMostAside = 1000;

absl::Status Errno(const char* action, const std::string& path) {
  const int error_number = errno;
  return base::PosixError(error_number, absl::StrCat("state_dir: ", action, " ", path));
}

// Makes what is missing on the way, and the directory itself.
absl::Status MakeDirectory(const std::string& directory) {
  for (size_t slash = directory.find('/', 1);; slash = directory.find('/', slash + 1)) {
    const std::string part = directory.substr(0, slash);
    const mode_t mode = slash == std::string::npos ? 0700 : 0755;
    if (mkdir(part.c_str(), mode) != 0 && errno != EEXIST && errno != EROFS)
      return Errno("make directory", part);
    if (slash == std::string::npos) return absl::OkStatus();
  }
}

bool WriteAll(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = write(fd, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return false;
    text.remove_prefix(static_cast<size_t>(written));
  }
  return true;
}

absl::StatusOr<std::string> ReadAll(int fd, const std::string& path) {
  std::string text;
  char part[16384];
  while (true) {
    const ssize_t got = read(fd, part, sizeof part);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return Errno("read", path);
    if (got == 0) return text;
    text.append(part, static_cast<size_t>(got));
    if (text.size() > kMostBytes) return absl::InvalidArgumentError("it grows while it is read");
  }
}

// Whether only we can have written it.
absl::Status CheckOurs(const struct stat& facts) {
  if (!S_ISREG(facts.st_mode)) return absl::InvalidArgumentError("expected a plain file");
  if (facts.st_uid != geteuid()) {
    return absl::InvalidArgumentError(absl::StrCat("expected owner ", geteuid(), ", got ", facts.st_uid));
  }
  if ((facts.st_mode & (S_IWGRP | S_IWOTH)) != 0)
    return absl::InvalidArgumentError("others than its owner may write to it");
  if (facts.st_size > kMostBytes)
    return absl::InvalidArgumentError(absl::StrCat("it has ", facts.st_size, " bytes"));
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<StateFile>> StateFile::Open(const std::string& directory) {
  if (absl::Status status = MakeDirectory(directory); !status.ok()) return status;
  base::UniqueFd fd(open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd.is_open()) return Errno("open", directory);
  const std::string lock_path = absl::StrCat(directory, "/", kLockName);
  base::UniqueFd lock(openat(fd.get(), kLockName, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!lock.is_open()) return Errno("open", lock_path);
  if (flock(lock.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return Errno("lock", lock_path);
    return absl::FailedPreconditionError(
        absl::StrCat("state_dir: ", directory, " is used by another shmemd: it holds ", lock_path));
  }
  // Left by one that was killed; and proof that we may remove and make files here.
  if (unlinkat(fd.get(), kNewName, 0) != 0 && errno != ENOENT)
    return Errno("remove", absl::StrCat(directory, "/", kNewName));
  return std::unique_ptr<StateFile>(new StateFile(directory, std::move(fd), std::move(lock)));
}

StateFile::Contents StateFile::Read() const {
  absl::StatusOr<std::string> text = ReadText();
  if (absl::IsNotFound(text.status())) return {};
  if (!text.ok()) return {{}, SetAside(std::string(text.status().message()))};
  absl::StatusOr<std::vector<state::BackendSpec>> backends = ParseStateText(*text);
  if (!backends.ok()) return {{}, SetAside(std::string(backends.status().message()))};
  return {*std::move(backends), {}};
}

absl::StatusOr<std::string> StateFile::ReadText() const {
  // Non-blocking: what lies there may be a pipe.
  const base::UniqueFd file(
      openat(directory_fd_.get(), kName, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  if (!file.is_open()) {
    if (errno == ENOENT) return absl::NotFoundError("");
    if (errno == ELOOP) return absl::InvalidArgumentError("expected a plain file, got a symbolic link");
    return absl::InvalidArgumentError(Errno("open", PathOf(kName)).message());
  }
  struct stat facts {};
  if (fstat(file.get(), &facts) != 0) return Errno("stat", PathOf(kName));
  if (absl::Status status = CheckOurs(facts); !status.ok()) return status;
  absl::StatusOr<std::string> text = ReadAll(file.get(), PathOf(kName));
  if (absl::IsNotFound(text.status())) return absl::InvalidArgumentError(text.status().message());
  return text;
}

std::string StateFile::SetAside(const std::string& why) const {
  const std::string what = absl::StrCat(PathOf(kName), ": ", why);
  for (int i = 1; i <= kMostAside; ++i) {
    const std::string name = absl::StrCat(kName, ".aside-", i);
    struct stat facts {};
    if (fstatat(directory_fd_.get(), name.c_str(), &facts, AT_SYMLINK_NOFOLLOW) == 0) continue;
    if (renameat(directory_fd_.get(), kName, directory_fd_.get(), name.c_str()) != 0) {
      const int error_number = errno;
      return absl::StrCat(what,
                          "; it cannot be set aside: ", base::PosixError(error_number, "rename").message());
    }
    fsync(directory_fd_.get());
    return absl::StrCat(what, "; set aside as ", PathOf(name));
  }
  return absl::StrCat(what, "; ", kMostAside, " files are set aside already");
}

absl::Status StateFile::Write(const std::vector<state::BackendSpec>& backends) const {
  const std::string path = PathOf(kNewName);
  if (unlinkat(directory_fd_.get(), kNewName, 0) != 0 && errno != ENOENT) return Errno("remove", path);
  {
    const base::UniqueFd file(
        openat(directory_fd_.get(), kNewName, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
    if (!file.is_open()) return Errno("make", path);
    if (!WriteAll(file.get(), StateText(backends)) || fsync(file.get()) != 0) {
      absl::Status status = Errno("write", path);
      unlinkat(directory_fd_.get(), kNewName, 0);
      return status;
    }
  }
  if (renameat(directory_fd_.get(), kNewName, directory_fd_.get(), kName) != 0) return Errno("rename", path);
  return fsync(directory_fd_.get()) == 0 ? absl::OkStatus() : Errno("sync", directory_);
}

}  // namespace shmemd::app
