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

// A directory that was made is there after a crash once the one above it is on the disk.
absl::Status SyncParent(const std::string& directory) {
  const std::string parent = directory.substr(0, directory.rfind('/') + 1);
  const base::UniqueFd fd(open(parent.empty() ? "." : parent.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd.is_open()) return errno == EACCES ? absl::OkStatus() : Errno("open", parent);  // not ours to sync
  return fsync(fd.get()) == 0 ? absl::OkStatus() : Errno("sync", parent);
}

// Makes what is missing on the way, and the directory itself.
absl::Status MakeDirectory(const std::string& directory) {
  for (size_t slash = directory.find('/', 1);; slash = directory.find('/', slash + 1)) {
    const std::string part = directory.substr(0, slash);
    const mode_t mode = slash == std::string::npos ? 0700 : 0755;
    if (mkdir(part.c_str(), mode) == 0) {
      if (absl::Status status = SyncParent(part); !status.ok()) return status;
    } else if (errno != EEXIST && errno != EROFS) {
      return Errno("make directory", part);
    }
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
    if (text.size() > kMostBytes) return absl::AbortedError(absl::StrCat(path, " grows while it is read"));
  }
}

// Whether only we can have written it.
absl::Status CheckOurs(const struct stat& facts) {
  if (S_ISLNK(facts.st_mode)) return absl::InvalidArgumentError("expected a plain file, got a symbolic link");
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

absl::StatusOr<StateFile::Contents> StateFile::Read() const {
  absl::StatusOr<std::optional<Text>> text = ReadText();
  if (!text.ok()) return text.status();
  if (!*text) return Contents{};
  if (!(*text)->not_ours.empty()) return Contents{{}, SetAside((*text)->not_ours), {}};
  absl::StatusOr<StateEntries> entries = ParseStateText((*text)->text);
  if (!entries.ok()) return Contents{{}, SetAside(std::string(entries.status().message())), {}};
  Contents contents{std::move(entries->backends), {}, std::move(entries->left_out)};
  if (!contents.left_out.empty()) contents.left_out.push_back(KeepBeside());
  return contents;
}

// What is wrong with the file itself is not ours to read; what fails for another reason may go well later.
absl::StatusOr<std::optional<StateFile::Text>> StateFile::ReadText() const {
  struct stat facts {};
  if (fstatat(directory_fd_.get(), kName, &facts, AT_SYMLINK_NOFOLLOW) != 0) {
    if (errno == ENOENT) return std::nullopt;
    return Errno("stat", PathOf(kName));
  }
  if (absl::Status status = CheckOurs(facts); !status.ok()) return Text{{}, std::string(status.message())};
  // Non-blocking: it may be a pipe by now.
  const base::UniqueFd file(
      openat(directory_fd_.get(), kName, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  if (!file.is_open()) return Errno("open", PathOf(kName));
  if (fstat(file.get(), &facts) != 0) return Errno("stat", PathOf(kName));
  if (absl::Status status = CheckOurs(facts); !status.ok()) return Text{{}, std::string(status.message())};
  absl::StatusOr<std::string> text = ReadAll(file.get(), PathOf(kName));
  if (!text.ok()) return text.status();
  return Text{*std::move(text), {}};
}

std::optional<std::string> StateFile::AsideName() const {
  for (int i = 1; i <= kMostAside; ++i) {
    std::string name = absl::StrCat(kName, ".aside-", i);
    struct stat facts {};
    if (fstatat(directory_fd_.get(), name.c_str(), &facts, AT_SYMLINK_NOFOLLOW) != 0) return name;
  }
  return std::nullopt;
}

std::string StateFile::SetAside(const std::string& why) const {
  const std::string what = absl::StrCat(PathOf(kName), ": ", why);
  const std::optional<std::string> name = AsideName();
  if (!name) return absl::StrCat(what, "; ", kMostAside, " files are set aside already");
  if (renameat(directory_fd_.get(), kName, directory_fd_.get(), name->c_str()) != 0) {
    const int error_number = errno;
    return absl::StrCat(what,
                        "; it cannot be set aside: ", base::PosixError(error_number, "rename").message());
  }
  fsync(directory_fd_.get());
  return absl::StrCat(what, "; set aside as ", PathOf(*name));
}

// The next change replaces the file, and what makes no sense to us may to another version. One that has a
// second name has been kept already.
std::string StateFile::KeepBeside() const {
  struct stat facts {};
  if (fstatat(directory_fd_.get(), kName, &facts, AT_SYMLINK_NOFOLLOW) == 0 && facts.st_nlink > 1)
    return absl::StrCat(PathOf(kName), " is kept beside already");
  const std::optional<std::string> name = AsideName();
  if (!name || linkat(directory_fd_.get(), kName, directory_fd_.get(), name->c_str(), 0) != 0)
    return absl::StrCat(PathOf(kName), " cannot be kept beside");
  fsync(directory_fd_.get());
  return absl::StrCat(PathOf(kName), " is kept as ", PathOf(*name), ", too");
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
