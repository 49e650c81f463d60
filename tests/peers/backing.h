// The files behind the mappings of a demo back-end.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "tests/peers/fd.h"

namespace shmemd::peers {

enum class BackingKind {
  kMemfd,
  kSealedMemfd,    // F_SEAL_SHRINK and F_SEAL_GROW: nobody can pull it away under a mapping
  kFile,           // an unlinked file in TMPDIR
  kReadOnlyMemfd,  // opened O_RDONLY
  kPipe,           // nothing that could be mapped
};

std::optional<BackingKind> BackingKindFromName(std::string_view name);

// A new file of `size_bytes`, zeros without storage. Not open, with errno set, when the system refuses.
Fd MakeBacking(BackingKind kind, uint64_t size_bytes);

}  // namespace shmemd::peers
