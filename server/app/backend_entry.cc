#include "server/app/backend_entry.h"

#include <absl/strings/str_cat.h>

#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "server/app/config_place.h"
#include "server/app/relay_keys.h"

namespace shmemd::app {
namespace {

// One value of the entry, and where it stands.
struct Value {
  int line = 0;
  std::string text;
};

struct Socket {
  int line = 0;
  state::SocketRole role{};
  std::string path;
};

class EntryReader {
 public:
  EntryReader(const std::string& file, const std::string& key) : file_(file), key_(key) {}

  absl::Status Read(const YAML::Node& entry) {
    line_ = entry.Mark().line;
    std::vector<std::string> seen;
    for (const auto& field : entry) {
      const std::string name = field.first.IsScalar() ? field.first.Scalar() : "";
      const int line = field.first.Mark().line;
      if (!AddNew(name, seen)) return Wrong(line, name, "given twice");
      if (absl::Status status = Field(name, line, field.second); !status.ok()) return status;
    }
    return absl::OkStatus();
  }

  absl::StatusOr<state::BackendSpec> Make(const state::BackendSpec& relay_defaults) const {
    for (const char* name : {"id", "mode"}) {
      if (!values_.contains(name) || values_.at(name).text.empty()) return Wrong(line_, name, "missing");
    }
    state::BackendSpec spec;
    const Value& mode = values_.at("mode");
    if (mode.text == state::ModeName(state::Mode::kRelay)) {
      spec = relay_defaults;
    } else if (mode.text == state::ModeName(state::Mode::kFrontend)) {
      spec.mode = state::Mode::kFrontend;
    } else if (mode.text == state::ModeName(state::Mode::kProbe)) {
      spec.mode = state::Mode::kProbe;
    } else {
      return Wrong(mode.line, "mode",
                   absl::StrCat("expected relay, frontend or probe, got '", mode.text, "'"));
    }
    spec.id = values_.at("id").text;
    absl::Status status = spec.mode == state::Mode::kRelay ? FillRelay(spec) : FillPlain(spec);
    if (!status.ok()) return status;
    return spec;
  }

 private:
  absl::Status Wrong(int line, const std::string& name, const std::string& what) const {
    return WrongAt(file_, line, absl::StrCat(key_, ".", name), what);
  }

  static const RelayKey* FindRelayKey(const std::string& name) {
    for (const RelayKey& key : RelayKeys()) {
      if (key.name() == name) return &key;
    }
    return nullptr;
  }

  absl::Status Field(const std::string& name, int line, const YAML::Node& value) {
    if (name == "frontend") return ReadSocket(value, name, line, frontend_);
    if (name == "backend") return ReadSocket(value, name, line, backend_);
    if (name != "id" && name != "mode" && FindRelayKey(name) == nullptr) {
      std::string known = "no such key; in a back-end there is id, mode, frontend, backend";
      for (const RelayKey& key : RelayKeys()) absl::StrAppend(&known, ", ", std::string(key.name()));
      return Wrong(line, name, known);
    }
    if (!value.IsScalar()) return Wrong(line, name, "expected one value");
    values_[name] = {value.Mark().line, value.Scalar()};
    return absl::OkStatus();
  }

  absl::Status ReadSocket(const YAML::Node& node, const std::string& side, int line,
                          std::optional<Socket>& socket) const {
    if (!node.IsMap()) return Wrong(line, side, "expected {connect: PATH} or {listen: PATH}");
    std::vector<std::string> seen;
    for (const auto& field : node) {
      const std::string name = field.first.IsScalar() ? field.first.Scalar() : "";
      const std::string key = absl::StrCat(side, ".", name);
      const int at = field.first.Mark().line;
      if (name != "connect" && name != "listen")
        return Wrong(at, key, "no such key; there is connect and listen");
      if (!AddNew(name, seen)) return Wrong(at, key, "given twice");
      if (seen.size() > 1) return Wrong(at, key, "expected either connect or listen, got both");
      if (!field.second.IsScalar()) return Wrong(at, key, "expected one value");
      socket = {at, name == "listen" ? state::SocketRole::kListen : state::SocketRole::kConnect,
                field.second.Scalar()};
    }
    return absl::OkStatus();
  }

  // A back-end that we are the front-end of.
  absl::Status FillPlain(state::BackendSpec& spec) const {
    constexpr char kRelayOnly[] = "only in mode relay";
    if (frontend_) return Wrong(frontend_->line, "frontend", kRelayOnly);
    for (const auto& [name, value] : values_) {
      if (FindRelayKey(name) != nullptr) return Wrong(value.line, name, kRelayOnly);
    }
    if (!backend_ || backend_->path.empty()) return Wrong(line_, "backend.connect", "missing");
    if (backend_->role == state::SocketRole::kListen)
      return Wrong(backend_->line, "backend.listen", kRelayOnly);
    spec.backend_socket = backend_->path;
    return absl::OkStatus();
  }

  absl::Status FillRelay(state::BackendSpec& spec) const {
    for (const auto& [name, socket] : {std::pair("frontend", &frontend_), std::pair("backend", &backend_)}) {
      if (!*socket || (*socket)->path.empty()) {
        return Wrong(line_, name, "missing: expected {listen: PATH} or {connect: PATH}");
      }
    }
    spec.frontend_socket = frontend_->path;
    spec.frontend_role = frontend_->role;
    spec.backend_socket = backend_->path;
    spec.backend_role = backend_->role;
    for (const RelayKey& key : RelayKeys()) {
      const auto value = values_.find(std::string(key.name()));
      if (value == values_.end()) continue;
      const absl::Status status = key.set(spec, value->second.text);
      if (!status.ok()) return Wrong(value->second.line, value->first, std::string(status.message()));
    }
    return absl::OkStatus();
  }

  const std::string& file_;
  const std::string& key_;
  int line_ = 0;
  std::map<std::string, Value> values_;
  std::optional<Socket> frontend_;
  std::optional<Socket> backend_;
};

}  // namespace

absl::StatusOr<state::BackendSpec> ReadBackendEntry(const YAML::Node& entry, const std::string& file,
                                                    const std::string& key,
                                                    const state::BackendSpec& relay_defaults) {
  EntryReader reader(file, key);
  if (absl::Status status = reader.Read(entry); !status.ok()) return status;
  return reader.Make(relay_defaults);
}

}  // namespace shmemd::app
