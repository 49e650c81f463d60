#include "server/app/config_file.h"

#include <absl/strings/str_cat.h>
#include <absl/strings/str_join.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <optional>
#include <sstream>
#include <system_error>
#include <utility>
#include <vector>

#include "server/app/backend_entry.h"
#include "server/app/config_place.h"

namespace shmemd::app {
namespace {

// yaml-cpp reports by exception; they end here.
class Loader {
 public:
  Loader(const std::string& path, Config& config, const ConfigOverrides& overrides)
      : path_(path), config_(config), overrides_(overrides) {}

  absl::Status Load(const std::string& text) {
    YAML::Node root;
    try {
      root = YAML::Load(text);
    } catch (const YAML::Exception& error) {
      return At(error.mark.line, "", error.msg);
    }
    if (root.IsNull()) return overrides_ ? overrides_(config_) : absl::OkStatus();
    if (!root.IsMap()) return At(root.Mark().line, "", "expected keys and values");
    if (absl::Status status = Section(root, ""); !status.ok()) return status;
    if (overrides_) {
      if (absl::Status status = overrides_(config_); !status.ok()) return status;
    }
    return backends_ ? Backends(*backends_, backends_line_) : absl::OkStatus();
  }

 private:
  absl::Status At(int line, const std::string& key, const std::string& what) const {
    return WrongAt(path_, line, key, what);
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
    if (key == "backends") {
      backends_ = value;
      backends_line_ = name.Mark().line;
      return absl::OkStatus();
    }
    for (const Setting& setting : Settings()) {
      if (setting.key != key) continue;
      if (setting.is_list && value.IsSequence()) return List(setting, name, value);
      if (!value.IsScalar()) return At(name.Mark().line, key, "expected one value");
      const absl::Status status = ApplySetting(setting, value.Scalar(), config_);
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

  absl::Status List(const Setting& setting, const YAML::Node& name, const YAML::Node& value) {
    const std::string key(setting.key);
    std::vector<std::string> entries;
    for (const YAML::Node& entry : value) {
      if (!entry.IsScalar()) return At(name.Mark().line, key, "expected plain entries");
      entries.push_back(entry.Scalar());
      if (entries.back().find(',') != std::string::npos) {
        return At(entry.Mark().line, key, absl::StrCat("an entry has no comma, got '", entries.back(), "'"));
      }
    }
    if (entries.empty())
      return At(name.Mark().line, key, "expected an entry or more; leave the key out for none");
    const absl::Status status = ApplySetting(setting, absl::StrJoin(entries, ","), config_);
    return status.ok() ? status : At(value.Mark().line, key, std::string(status.message()));
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
      absl::StatusOr<state::BackendSpec> spec = ReadBackendEntry(list[i], path_, key, config_.relay_defaults);
      if (!spec.ok()) return spec.status();
      const absl::Status status = AddBackend(config_, *std::move(spec));
      if (!status.ok()) return At(list[i].Mark().line, key, std::string(status.message()));
    }
    return absl::OkStatus();
  }

  const std::string& path_;
  Config& config_;
  const ConfigOverrides& overrides_;
  // Read last: what its entries do not say is a setting.
  std::optional<YAML::Node> backends_;
  int backends_line_ = 0;
};

}  // namespace

absl::Status LoadConfigFile(const std::string& path, Config& config, const ConfigOverrides& overrides) {
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
  return Loader(path, config, overrides).Load(text.str());
}

}  // namespace shmemd::app
