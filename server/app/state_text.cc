// The text of the state file.
#include <absl/strings/match.h>
#include <absl/strings/numbers.h>
#include <absl/strings/str_cat.h>
#include <absl/strings/str_format.h>
#include <yaml-cpp/yaml.h>

#include <cstdint>

#include "server/app/backend_entry.h"
#include "server/app/config.h"
#include "server/app/setting_value.h"
#include "server/app/state_file.h"

namespace shmemd::app {
namespace {

constexpr char kVersionKey[] = "version: ";
constexpr char kVersion[] = "version: 1\n";
constexpr char kAbout[] =
    "# The back-ends that AttachBackend attached. Written anew by shmemd with each change; not to be "
    "edited.\n";
constexpr char kEnd[] = "# end, checksum ";
constexpr size_t kChecksumDigits = 16;

// FNV-1a. It tells a file that was damaged by accident, no more.
uint64_t Checksum(std::string_view text) {
  uint64_t hash = 0xcbf29ce484222325;
  for (const char c : text) {
    hash ^= static_cast<unsigned char>(c);
    hash *= 0x100000001b3;
  }
  return hash;
}

// As a double-quoted scalar.
std::string Quoted(const std::string& text) {
  std::string quoted = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      absl::StrAppend(&quoted, "\\", std::string(1, c));
    } else if (byte < 0x20 || byte == 0x7f) {
      absl::StrAppend(&quoted, absl::StrFormat("\\x%02x", byte));
    } else {
      quoted.push_back(c);
    }
  }
  return quoted + "\"";
}

std::string SocketText(state::SocketRole role, const std::string& path) {
  const char* how = role == state::SocketRole::kListen ? "listen" : "connect";
  return absl::StrCat("{", how, ": ", Quoted(path), "}\n");
}

std::string EntryText(const state::BackendSpec& spec) {
  std::string text =
      absl::StrCat("  - id: ", Quoted(spec.id), "\n    mode: ", state::ModeName(spec.mode), "\n");
  if (spec.mode == state::Mode::kRelay)
    absl::StrAppend(&text, "    frontend: ", SocketText(spec.frontend_role, spec.frontend_socket));
  absl::StrAppend(&text, "    backend: ", SocketText(spec.backend_role, spec.backend_socket));
  if (spec.mode != state::Mode::kRelay) return text;
  absl::StrAppend(&text, "    query: ", state::QueryName(spec.query),
                  "\n    guard: ", state::GuardName(spec.guard),
                  "\n    on_backend_missing: ", state::OnBackendMissingName(spec.on_backend_missing), "\n");
  absl::StrAppend(&text, absl::StrFormat("    socket_mode: \"%04o\"\n", spec.socket_mode));
  if (spec.socket_owner >= 0) absl::StrAppend(&text, "    socket_owner: \"", spec.socket_owner, "\"\n");
  if (spec.socket_group >= 0) absl::StrAppend(&text, "    socket_group: \"", spec.socket_group, "\"\n");
  return text;
}

absl::Status Bad(const std::string& why) { return absl::InvalidArgumentError(why); }

absl::Status CheckVersion(std::string_view text) {
  if (text.starts_with(kVersion)) return absl::OkStatus();
  const std::string_view line = text.substr(0, text.find('\n'));
  if (line.size() == text.size() || !line.starts_with(kVersionKey) || line.size() > 64)
    return Bad("expected a state file of shmemd, got something else");
  return Bad(absl::StrCat("expected version 1, got ", View(line.substr(sizeof(kVersionKey) - 1))));
}

// `text` without its last line, which has to be right.
absl::StatusOr<std::string_view> CheckEnd(std::string_view text) {
  const size_t end_bytes = sizeof(kEnd) - 1 + kChecksumDigits + 1;
  if (text.size() < end_bytes) return Bad("it is cut short");
  const std::string_view end = text.substr(text.size() - end_bytes);
  const std::string_view body = text.substr(0, text.size() - end_bytes);
  if (!end.starts_with(kEnd) || end.back() != '\n') return Bad("it is cut short");
  if (end != EndOfStateText(body)) return Bad("its checksum does not fit: it was changed");
  return body;
}

absl::StatusOr<state::BackendSpec> ParseEntry(const YAML::Node& entry, const std::string& key) {
  if (!entry.IsMap()) return Bad(absl::StrCat(key, ": expected keys and values"));
  absl::StatusOr<state::BackendSpec> spec = ReadBackendEntry(entry, "line", key, PlainRelay());
  if (spec.ok()) spec->origin = state::Origin::kRpc;
  return spec;
}

absl::StatusOr<StateEntries> ParseEntries(const YAML::Node& list) {
  if (!list.IsSequence() && !list.IsNull()) return Bad("backends: expected a list");
  Config checked;
  StateEntries entries;
  for (size_t i = 0; i < list.size(); ++i) {
    const std::string key = absl::StrCat("backends[", i, "]");
    absl::StatusOr<state::BackendSpec> spec = ParseEntry(list[i], key);
    if (!spec.ok()) {
      entries.left_out.emplace_back(spec.status().message());
    } else if (absl::Status status = AddBackend(checked, *std::move(spec)); !status.ok()) {
      entries.left_out.push_back(absl::StrCat(key, ": ", status.message()));
    }
  }
  entries.backends = std::move(checked.backends);
  return entries;
}

}  // namespace

std::string EndOfStateText(std::string_view text) {
  return absl::StrFormat("%s%016x\n", kEnd, Checksum(text));
}

std::string StateText(const std::vector<state::BackendSpec>& backends) {
  std::string text = absl::StrCat(kVersion, kAbout, "backends:\n");
  for (const state::BackendSpec& spec : backends) absl::StrAppend(&text, EntryText(spec));
  absl::StrAppend(&text, EndOfStateText(text));
  return text;
}

absl::StatusOr<StateEntries> ParseStateText(std::string_view text) {
  if (absl::Status status = CheckVersion(text); !status.ok()) return status;
  const absl::StatusOr<std::string_view> body = CheckEnd(text);
  if (!body.ok()) return body.status();
  try {
    const YAML::Node root = YAML::Load(std::string(*body));
    if (!root.IsMap()) return Bad("expected keys and values");
    return ParseEntries(root["backends"]);
  } catch (const YAML::Exception& error) {
    return Bad(absl::StrCat("line ", error.mark.line + 1, ": ", error.msg));
  }
}

}  // namespace shmemd::app
