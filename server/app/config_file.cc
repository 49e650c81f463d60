#include "server/app/config_file.h"

#include <absl/strings/str_cat.h>
#include <absl/strings/str_join.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string_view>
#include <system_error>
#include <vector>

namespace shmemd::app {
namespace {

// yaml-cpp reports by exception; they end here.
class Loader {
 public:
  Loader(const std::string& path, Config& config) : path_(path), config_(config) {}

  absl::Status Load(const std::string& text) {
    YAML::Node root;
    try {
      root = YAML::Load(text);
    } catch (const YAML::Exception& error) {
      return At(error.mark.line, "", error.msg);
    }
    if (root.IsNull()) return absl::OkStatus();
    if (!root.IsMap()) return At(root.Mark().line, "", "expected keys and values");
    return Section(root, "");
  }

 private:
  absl::Status At(int line, const std::string& key, const std::string& what) const {
    return absl::InvalidArgumentError(
        absl::StrCat(path_, ":", line + 1, ": ", key, key.empty() ? "" : ": ", what));
  }

  // False: it was there.
  static bool AddNew(const std::string& key, std::vector<std::string>& seen) {
    if (std::find(seen.begin(), seen.end(), key) != seen.end()) return false;
    seen.push_back(key);
    return true;
  }

  absl::Status Section(const YAML::Node& section, const std::string& prefix) {
    std::vector<std::string> seen;
    for (const auto& entry : section) {
      if (!entry.first.IsScalar()) return At(entry.first.Mark().line, prefix, "expected a plain key");
      const std::string key =
          prefix.empty() ? entry.first.Scalar() : absl::StrCat(prefix, ".", entry.first.Scalar());
      if (!AddNew(key, seen)) return At(entry.first.Mark().line, key, "given twice");
      if (absl::Status status = Entry(key, entry.first, entry.second); !status.ok()) return status;
    }
    return absl::OkStatus();
  }

  absl::Status Entry(const std::string& key, const YAML::Node& name, const YAML::Node& value) {
    if (key == "backends") return Backends(value, name.Mark().line);
    for (const Setting& setting : Settings()) {
      if (setting.key != key) continue;
      if (!value.IsScalar()) return At(name.Mark().line, key, "expected one value");
      const absl::Status status = setting.set(config_, value.Scalar());
      return status.ok() ? status : At(value.Mark().line, key, std::string(status.message()));
    }
    const std::string prefix = key + ".";
    const bool is_section = std::any_of(Settings().begin(), Settings().end(), [&](const Setting& setting) {
      return setting.key.starts_with(prefix);
    });
    if (!is_section) return At(name.Mark().line, key, absl::StrCat("no such key; ", Known(key)));
    if (!value.IsMap()) return At(name.Mark().line, key, "expected keys and values");
    return Section(value, key);
  }

  // The keys that could have been meant: those of the same section.
  static std::string Known(const std::string& key) {
    const size_t dot = key.rfind('.');
    const std::string prefix = dot == std::string::npos ? "" : key.substr(0, dot + 1);
    std::vector<std::string> known;
    for (const Setting& setting : Settings()) {
      if (!setting.key.starts_with(prefix)) continue;
      std::string name(setting.key.substr(prefix.size()));
      name = name.substr(0, name.find('.'));
      if (known.empty() || known.back() != name) known.push_back(std::move(name));
    }
    if (prefix.empty()) known.emplace_back("backends");
    return absl::StrCat(
        prefix.empty() ? "there is " : absl::StrCat("in ", prefix.substr(0, dot), " there is "),
        absl::StrJoin(known, ", "));
  }

  absl::Status Backends(const YAML::Node& list, int line) {
    if (list.IsNull()) return absl::OkStatus();
    if (!list.IsSequence()) return At(line, "backends", "expected a list");
    for (size_t i = 0; i < list.size(); ++i) {
      const std::string key = absl::StrCat("backends[", i, "]");
      if (!list[i].IsMap()) return At(list[i].Mark().line, key, "expected keys and values");
      if (absl::Status status = Backend(list[i], key); !status.ok()) return status;
    }
    return absl::OkStatus();
  }

  absl::Status Backend(const YAML::Node& entry, const std::string& key) {
    std::string id;
    std::string mode;
    std::string socket;
    std::vector<std::string> seen;
    for (const auto& field : entry) {
      const std::string name = field.first.IsScalar() ? field.first.Scalar() : "";
      const int line = field.first.Mark().line;
      if (!AddNew(name, seen)) return At(line, absl::StrCat(key, ".", name), "given twice");
      std::string* target = name == "id" ? &id : name == "mode" ? &mode : nullptr;
      if (name == "backend") {
        if (absl::Status status = Socket(field.second, absl::StrCat(key, ".backend"), line, socket);
            !status.ok()) {
          return status;
        }
      } else if (target == nullptr) {
        return At(line, absl::StrCat(key, ".", name),
                  "no such key; in a back-end there is id, mode, backend");
      } else if (!field.second.IsScalar()) {
        return At(line, absl::StrCat(key, ".", name), "expected one value");
      } else {
        *target = field.second.Scalar();
      }
    }
    return Add(entry.Mark().line, key, id, mode, socket);
  }

  absl::Status Socket(const YAML::Node& node, const std::string& key, int line, std::string& socket) {
    if (!node.IsMap()) return At(line, key, "expected {connect: PATH}");
    std::vector<std::string> seen;
    for (const auto& field : node) {
      const std::string name = field.first.IsScalar() ? field.first.Scalar() : "";
      if (name != "connect")
        return At(field.first.Mark().line, absl::StrCat(key, ".", name), "no such key; there is connect");
      if (!AddNew(name, seen))
        return At(field.first.Mark().line, absl::StrCat(key, ".connect"), "given twice");
      if (!field.second.IsScalar())
        return At(field.first.Mark().line, absl::StrCat(key, ".connect"), "expected one value");
      socket = field.second.Scalar();
    }
    return absl::OkStatus();
  }

  absl::Status Add(int line, const std::string& key, const std::string& id, const std::string& mode,
                   const std::string& socket) {
    if (id.empty()) return At(line, absl::StrCat(key, ".id"), "missing");
    if (mode.empty()) return At(line, absl::StrCat(key, ".mode"), "missing");
    if (socket.empty()) return At(line, absl::StrCat(key, ".backend.connect"), "missing");
    state::Mode parsed{};
    if (mode == "frontend") {
      parsed = state::Mode::kFrontend;
    } else if (mode == "probe") {
      parsed = state::Mode::kProbe;
    } else {
      return At(line, absl::StrCat(key, ".mode"),
                absl::StrCat("expected frontend or probe, got '", mode, "'"));
    }
    const absl::Status status = AddBackend(config_, parsed, id, socket);
    return status.ok() ? status : At(line, key, std::string(status.message()));
  }

  const std::string& path_;
  Config& config_;
};

}  // namespace

absl::Status LoadConfigFile(const std::string& path, Config& config) {
  errno = 0;
  const std::ifstream file(path);
  if (!file) {
    return absl::NotFoundError(
        absl::StrCat("--config ", path, ": ", std::strerror(errno != 0 ? errno : ENOENT)));
  }
  std::error_code ignored;
  if (std::filesystem::is_directory(path, ignored)) {
    return absl::InvalidArgumentError(absl::StrCat("--config ", path, ": Is a directory"));
  }
  std::ostringstream text;
  text << file.rdbuf();
  return Loader(path, config).Load(text.str());
}

}  // namespace shmemd::app
