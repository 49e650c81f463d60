// The roster when the configuration was read again.
#include <absl/strings/str_cat.h>
#include <absl/strings/str_join.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

#include "server/app/config_text.h"
#include "server/app/roster.h"

namespace shmemd::app {
namespace {

using feed::CommandFailure;
using feed::CommandResult;
using Session = feed::DetachCommand::Session;

const state::BackendSpec* FindSpec(const Config& config, const std::string& id) {
  const auto found = std::find_if(config.backends.begin(), config.backends.end(),
                                  [&](const state::BackendSpec& spec) { return spec.id == id; });
  return found == config.backends.end() ? nullptr : &*found;
}

// Once for everything that a reload did to back-ends.
struct Changes {
  std::vector<std::string> added, removed, changed, failed;

  std::string Text() const {
    std::vector<std::string> parts;
    for (const auto& [what, ids] : {std::pair("added ", &added), std::pair("removed ", &removed),
                                    std::pair("changed ", &changed), std::pair("not done ", &failed)}) {
      if (!ids->empty()) parts.push_back(absl::StrCat(what, absl::StrJoin(*ids, ", ")));
    }
    return parts.empty() ? "no back-end changed" : absl::StrJoin(parts, "; ");
  }
};

}  // namespace

void Roster::ReloadNow(const Config& config) {
  if (const absl::Status status = CheckReload(config); !status.ok()) {
    spdlog::error("reload refused, nothing is changed: {}", std::string(status.message()));
    return;
  }
  {
    base::MutexLock lock(mutex_);
    relay_defaults_ = config.relay_defaults;
  }
  Changes changes;
  // Those that go first: another one may want their sockets.
  for (auto it = entries_.begin(); it != entries_.end();) {
    const Entry entry = it->second;
    if (entry.spec.origin == state::Origin::kRpc || FindSpec(config, entry.spec.id) != nullptr) {
      ++it;
      continue;
    }
    it = entries_.erase(it);
    DetachCommand(entry.spec, Session::kLeave);
    changes.removed.push_back(entry.spec.id);
  }
  for (const state::BackendSpec& spec : config.backends) {
    const auto found = entries_.find(spec.id);
    if (found == entries_.end()) continue;
    if (found->second.spec.origin == state::Origin::kRpc || found->second.spec == spec) continue;
    (Replace(found->second, spec) ? changes.changed : changes.failed).push_back(spec.id);
  }
  for (const state::BackendSpec& spec : config.backends) {
    if (entries_.contains(spec.id)) continue;
    const CommandResult result = AttachCommand(spec, true);
    if (result.failure == CommandFailure::kNone) {
      entries_[spec.id] = {spec};
      changes.added.push_back(spec.id);
    } else {
      spdlog::error("reload: {}: it is not attached", result.message);
      changes.failed.push_back(spec.id);
    }
  }
  for (auto& [id, entry] : entries_) {
    if (entry.attached) continue;
    // Written down, and not to be had so far.
    entry.attached =
        SocketUser(entry.spec).empty() && AttachCommand(entry.spec, false).failure == CommandFailure::kNone;
    (entry.attached ? changes.added : changes.failed).push_back(id);
  }
  spdlog::info("reload: {}", changes.Text());
  if (const std::vector<std::string> keys = ChangedSettings(config_, config); !keys.empty())
    spdlog::warn("reload: changed, but only a restart takes them: {}", absl::StrJoin(keys, ", "));
}

// What the file alone cannot tell.
absl::Status Roster::CheckReload(const Config& config) const {
  SocketUse by_rpc;
  size_t count = config.backends.size();
  for (const auto& [id, entry] : entries_) {
    if (entry.spec.origin != state::Origin::kRpc) continue;
    const state::BackendSpec* named = FindSpec(config, id);
    if (named == nullptr) {
      ++count;
      by_rpc.Add(entry.spec);
      by_rpc.AddFiles(entry.spec);
    } else if (!state::IsSameWay(entry.spec, *named)) {
      return absl::FailedPreconditionError(absl::StrCat(
          "back-end ", id, " was attached by RPC in another way: ", DescribeBackend(entry.spec)));
    }
  }
  if (count > static_cast<size_t>(config_.max_backends)) {
    return absl::FailedPreconditionError(absl::StrCat("limits.max_backends: it would be ", count,
                                                      " back-ends, expected at most ", config_.max_backends));
  }
  for (const state::BackendSpec& spec : config.backends) {
    if (absl::Status status = CheckApart(config_, spec); !status.ok()) return status;
    if (const auto clash = by_rpc.Find(spec)) {
      return absl::FailedPreconditionError(absl::StrCat("back-end ", spec.id, ": ", clash->socket,
                                                        " is in use by back-end ", clash->backend_id,
                                                        ", which was attached by RPC"));
    }
  }
  return absl::OkStatus();
}

// False: it stays as it was.
bool Roster::Replace(Entry& entry, const state::BackendSpec& spec) {
  const bool relay = spec.mode == state::Mode::kRelay;
  if (relay != (entry.spec.mode == state::Mode::kRelay)) return MoveToOtherMover(entry, spec);
  const CommandResult result = AttachCommand(spec, true);
  if (result.failure != CommandFailure::kNone) {
    spdlog::error("reload: {}: it stays as it was", result.message);
    return false;
  }
  entry.spec = spec;
  return true;
}

bool Roster::MoveToOtherMover(Entry& entry, const state::BackendSpec& spec) {
  CommandResult result = DetachCommand(entry.spec, Session::kRefuse);
  if (result.failure == CommandFailure::kNone) {
    result = AttachCommand(spec, true);
    if (result.failure == CommandFailure::kNone) {
      entry.spec = spec;
      return true;
    }
    const CommandResult back = AttachCommand(entry.spec, true);
    if (back.failure != CommandFailure::kNone) spdlog::error("reload: {}: it is lost", back.message);
  }
  spdlog::error("reload: {}: it stays as it was", result.message);
  return false;
}

}  // namespace shmemd::app
