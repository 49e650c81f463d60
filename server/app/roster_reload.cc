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

}  // namespace

// Once for everything that a reload did to back-ends.
struct Roster::Changes {
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
  DoChanges(config, changes);
  AttachWrittenDown(changes);
  spdlog::info("reload: {}", changes.Text());
  if (const std::vector<std::string> keys = ChangedSettings(config_, config); !keys.empty())
    spdlog::warn("reload: changed, but only a restart takes them: {}", absl::StrJoin(keys, ", "));
}

// One may wait for a socket that another one gives up, so what cannot be done is tried again as long as
// anything can.
void Roster::DoChanges(const Config& config, Changes& changes) {
  Pending pending;
  for (const state::BackendSpec& spec : config.backends) {
    const auto found = entries_.find(spec.id);
    const bool stays = found != entries_.end() &&
                       (found->second.spec.origin == state::Origin::kRpc || found->second.spec == spec);
    if (!stays) pending.push_back({&spec, found == entries_.end(), "", "", std::nullopt});
  }
  bool any_done = true;
  while (!pending.empty() && any_done) {
    any_done = DoPass(pending, changes) || BreakRing(pending);
  }
  for (const PendingChange& change : pending) {
    spdlog::error("reload: back-end {}: {}: it is not done", change.spec->id, change.why_not);
    changes.failed.push_back(change.spec->id);
    PutBack(change);
  }
  for (auto* ids : {&changes.added, &changes.changed, &changes.failed}) std::sort(ids->begin(), ids->end());
}

// Whether anything was done. Takes what was, or failed, out of `pending`.
bool Roster::DoPass(Pending& pending, Changes& changes) {
  SocketUse use = SocketsOfAttached();
  Pending left;
  for (PendingChange& change : pending) {
    const state::BackendSpec& spec = *change.spec;
    change.waits_for.clear();
    change.why_not = WhyLeaving(spec);
    if (const auto clash = use.Find(spec); clash && change.why_not.empty()) {
      change.waits_for = clash->backend_id;
      change.why_not = absl::StrCat(clash->socket, " is in use by back-end ", clash->backend_id);
    }
    if (!change.why_not.empty()) {
      left.push_back(change);
      continue;
    }
    const auto found = entries_.find(spec.id);
    const bool done = found == entries_.end() ? Add(spec) : Replace(found->second, spec);
    (!done ? changes.failed : change.is_new ? changes.added : changes.changed).push_back(spec.id);
    if (!done) PutBack(change);
    use.Add(spec);
  }
  pending.swap(left);
  return pending.size() < left.size();
}

// Some wait for each other in a ring: one without a session is taken out, and comes back as the last.
bool Roster::BreakRing(Pending& pending) {
  const auto next = [&](const std::string& id) {
    const auto found = std::find_if(pending.begin(), pending.end(),
                                    [&](const PendingChange& change) { return change.spec->id == id; });
    return found == pending.end() ? std::string() : found->waits_for;
  };
  for (PendingChange& change : pending) {
    const std::string& id = change.spec->id;
    const auto entry = entries_.find(id);
    if (entry == entries_.end()) continue;
    std::string reached = next(id);
    for (size_t i = 0; i < pending.size() && !reached.empty() && reached != id; ++i) reached = next(reached);
    if (reached != id) continue;
    const CommandResult result = DetachCommand(entry->second.spec, Session::kRefuse);
    if (result.failure != CommandFailure::kNone && result.failure != CommandFailure::kBackendNotFound)
      continue;
    change.taken_out = entry->second.spec;
    entries_.erase(entry);
    return true;
  }
  return false;
}

// Unless another one has its sockets by now: then it comes with the next reload.
void Roster::PutBack(const PendingChange& change) {
  if (!change.taken_out || entries_.contains(change.spec->id)) return;
  if (!SocketsOfAttached().Find(*change.taken_out)) Add(*change.taken_out);
}

// What is shown of one that was detached in the other mode: one id is never with both movers.
std::string Roster::WhyLeaving(const state::BackendSpec& spec) const {
  if (entries_.contains(spec.id)) return {};
  const std::optional<state::BackendSpec> leaving = Leaving(spec.id);
  const bool same_mover =
      !leaving || (leaving->mode == state::Mode::kRelay) == (spec.mode == state::Mode::kRelay);
  return same_mover ? "" : "it is being detached, and a session of it lives";
}

bool Roster::Add(const state::BackendSpec& spec) {
  const CommandResult result = AttachCommand(spec, true);
  if (result.failure == CommandFailure::kNone) {
    entries_[spec.id] = {spec};
    return true;
  }
  spdlog::error("reload: {}: it is not attached", result.message);
  return false;
}

// What was written down, and was not to be had so far.
void Roster::AttachWrittenDown(Changes& changes) {
  for (auto& [id, entry] : entries_) {
    if (entry.attached) continue;
    entry.attached = AttachedCount() < static_cast<size_t>(config_.max_backends) &&
                     CheckApart(config_, entry.spec).ok() && !SocketsOfAttached().Find(entry.spec) &&
                     AttachCommand(entry.spec, false).failure == CommandFailure::kNone;
    (entry.attached ? changes.added : changes.failed).push_back(id);
  }
}

// What the file alone cannot tell.
absl::Status Roster::CheckReload(const Config& config) const {
  SocketUse by_rpc;
  size_t count = config.backends.size();
  for (const auto& [id, entry] : entries_) {
    if (entry.spec.origin != state::Origin::kRpc) continue;
    const state::BackendSpec* named = FindSpec(config, id);
    if (named == nullptr) {
      count += entry.attached ? 1 : 0;
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
  if (result.failure == CommandFailure::kNone || result.failure == CommandFailure::kBackendNotFound) {
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
