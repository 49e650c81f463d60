// Which back-end uses which socket.
//
// A value; not thread-safe.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "server/state/backend_spec.h"

namespace shmemd::app {

// A path as it is compared: without "." and "..".
std::string NormalPath(const std::string& path);

// The sockets of a back-end; that of the front-end first.
std::vector<std::string> SocketsOf(const state::BackendSpec& spec);

class SocketUse {
 public:
  struct Clash {
    std::string socket;      // as the one that asks spells it
    std::string backend_id;  // who uses it
  };

  // Takes note of the paths.
  void Add(const state::BackendSpec& spec);
  // And of the files that they lead to at this moment: a path may be an alias of another. Costs a stat each.
  void AddFiles(const state::BackendSpec& spec);

  // A socket of `spec` that a back-end with another id uses. By path, and by file if files are known.
  std::optional<Clash> Find(const state::BackendSpec& spec) const;

  bool operator==(const SocketUse&) const = default;

 private:
  using Ids = std::set<std::string>;
  static const std::string* Other(const Ids& ids, const std::string& id);

  std::map<std::string, Ids> by_path_;                    // normal path -> who uses it
  std::map<std::pair<uint64_t, uint64_t>, Ids> by_file_;  // device and inode -> who uses it
};

}  // namespace shmemd::app
