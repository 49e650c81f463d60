#include "server/base/file_id.h"

#include <sys/stat.h>

#include <filesystem>

namespace shmemd::base {
namespace {

std::string Normal(const std::string& path) {
  return std::filesystem::path(path).lexically_normal().string();
}

}  // namespace

std::optional<FileId> FileIdOf(const std::string& path) {
  struct stat status {};
  if (stat(path.c_str(), &status) != 0) return std::nullopt;
  return FileId{status.st_dev, status.st_ino};
}

bool IsSameFile(const std::string& one, const std::string& other) {
  if (Normal(one) == Normal(other)) return true;
  const std::optional<FileId> id = FileIdOf(one);
  return id && id == FileIdOf(other);
}

}  // namespace shmemd::base
