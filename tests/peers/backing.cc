#include "tests/peers/backing.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <string>
#include <utility>

namespace shmemd::peers {
namespace {

constexpr std::array<std::pair<std::string_view, BackingKind>, 5> kNames = {{
    {"memfd", BackingKind::kMemfd},
    {"sealed-memfd", BackingKind::kSealedMemfd},
    {"file", BackingKind::kFile},
    {"read-only-memfd", BackingKind::kReadOnlyMemfd},
    {"pipe", BackingKind::kPipe},
}};

Fd OpenTemporaryFile() {
  const char* directory = std::getenv("TMPDIR");
  std::string path = directory != nullptr ? directory : "/tmp";
  path += "/shmem-demo-XXXXXX";
  Fd file(::mkostemp(path.data(), O_CLOEXEC));
  if (file) ::unlink(path.c_str());
  return file;
}

Fd OpenReadEnd() {
  std::array<int, 2> ends{-1, -1};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) return Fd();
  ::close(ends[1]);
  return Fd(ends[0]);
}

}  // namespace

std::optional<BackingKind> BackingKindFromName(std::string_view name) {
  for (const auto& [known, kind] : kNames) {
    if (name == known) return kind;
  }
  return std::nullopt;
}

Fd MakeBacking(BackingKind kind, uint64_t size_bytes) {
  if (kind == BackingKind::kPipe) return OpenReadEnd();
  Fd file = kind == BackingKind::kFile
                ? OpenTemporaryFile()
                : Fd(::memfd_create("shmem-demo-backend", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!file || ::ftruncate(file.get(), static_cast<off_t>(size_bytes)) != 0) return Fd();
  if (kind == BackingKind::kSealedMemfd &&
      ::fcntl(file.get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0) {
    return Fd();
  }
  if (kind == BackingKind::kReadOnlyMemfd) {
    const std::string path = "/proc/self/fd/" + std::to_string(file.get());
    return Fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  }
  return file;
}

}  // namespace shmemd::peers
