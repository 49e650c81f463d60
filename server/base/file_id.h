// Which file a path leads to: one file has many paths, through symbolic links, links of directories, mounts.
//
// A value; any thread. Costs one stat.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>

namespace shmemd::base {

struct FileId {
  dev_t device = 0;
  ino_t inode = 0;

  bool operator==(const FileId&) const = default;
};

// Symbolic links are followed. nullopt: nothing is there, or it cannot be looked at.
std::optional<FileId> FileIdOf(const std::string& path);

// Whether both lead to one file. Of paths where nothing is, whether they are spelled the same.
bool IsSameFile(const std::string& one, const std::string& other);

}  // namespace shmemd::base
