#include "server/app/socket_use.h"

#include <filesystem>

#include "server/base/file_id.h"

namespace shmemd::app {

std::string NormalPath(const std::string& path) {
  return std::filesystem::path(path).lexically_normal().string();
}

std::vector<std::string> SocketsOf(const state::BackendSpec& spec) {
  if (spec.mode != state::Mode::kRelay) return {spec.backend_socket};
  return {spec.frontend_socket, spec.backend_socket};
}

void SocketUse::Add(const state::BackendSpec& spec) {
  for (const std::string& socket : SocketsOf(spec)) by_path_[NormalPath(socket)].insert(spec.id);
}

void SocketUse::AddFiles(const state::BackendSpec& spec) {
  for (const std::string& socket : SocketsOf(spec)) {
    if (const auto file = base::FileIdOf(socket)) by_file_[{file->device, file->inode}].insert(spec.id);
  }
}

const std::string* SocketUse::Other(const Ids& ids, const std::string& id) {
  for (const std::string& user : ids) {
    if (user != id) return &user;
  }
  return nullptr;
}

std::optional<SocketUse::Clash> SocketUse::Find(const state::BackendSpec& spec) const {
  for (const std::string& socket : SocketsOf(spec)) {
    if (const auto path = by_path_.find(NormalPath(socket)); path != by_path_.end()) {
      if (const std::string* user = Other(path->second, spec.id)) return Clash{socket, *user};
    }
    if (by_file_.empty()) continue;
    const auto id = base::FileIdOf(socket);
    if (!id) continue;
    const auto file = by_file_.find({id->device, id->inode});
    if (file == by_file_.end()) continue;
    if (const std::string* user = Other(file->second, spec.id)) return Clash{socket, *user};
  }
  return std::nullopt;
}

}  // namespace shmemd::app
