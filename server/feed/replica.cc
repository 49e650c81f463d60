#include "server/feed/replica.h"

#include <utility>

#include "server/base/clock.h"
#include "server/state/mapping_changes.h"

namespace shmemd::feed {
namespace {

state::Backend* Find(SourceReplica::Tables& tables, state::BackendHandle handle) {
  const auto found = tables.find(handle);
  return found == tables.end() ? nullptr : found->second.get();
}

void ApplyEvent(state::Backend& table, const state::Event& event, uint64_t revision, state::EventLog* log) {
  if (log == nullptr || !state::IsLogged(event.body)) return table.Apply(event);
  log->Add({revision, event.wall_time_ns, event.backend, state::LogKind::kEvent, table.spec().id, event.body,
            state::ApplyAndCompare(table, event)});
}

void LogMembership(const state::Backend& table, state::LogKind kind, uint64_t revision,
                   state::EventLog* log) {
  if (log == nullptr) return;
  const bool attached = kind == state::LogKind::kAttached;
  const int64_t wall_time_ns = attached ? table.status().create_time_ns : base::WallNanos();
  log->Add({revision, wall_time_ns, table.handle(), kind, table.spec().id, {}, {}});
}

void Restore(state::Backend& table, const StatusSlice& slice) {
  table.RestoreStatus(slice.status);
  for (const state::RegionStatus& region : slice.regions) table.RestoreRegion(region);
  table.RestoreFindings(slice.findings);
}

}  // namespace

const state::Backend* ReplicaView::Find(std::string_view id) const {
  const auto found = backends.find(id);
  return found == backends.end() ? nullptr : found->second;
}

bool SourceReplica::TakeMembershipChange() { return std::exchange(membership_changed_, false); }

bool SourceReplica::Apply(Update&& update, uint64_t revision, state::EventLog& log) {
  if (std::holds_alternative<SnapshotBegin>(update)) {
    staging_ = std::make_unique<Tables>();
    return false;
  }
  if (std::holds_alternative<SnapshotEnd>(update)) {
    if (staging_ == nullptr) return false;
    tables_ = std::move(*staging_);
    staging_.reset();
    membership_changed_ = true;
    log.Add({revision, base::WallNanos(), {}, state::LogKind::kLost, {}, {}, {}});
    return true;
  }
  if (staging_ != nullptr) {
    ApplyTo(*staging_, std::move(update), revision, nullptr);
    return false;
  }
  ApplyTo(tables_, std::move(update), revision, &log);
  return true;
}

void SourceReplica::ApplyTo(Tables& tables, Update&& update, uint64_t revision, state::EventLog* log) {
  if (const auto* event = std::get_if<state::Event>(&update)) {
    if (state::Backend* table = Find(tables, event->backend)) ApplyEvent(*table, *event, revision, log);
  } else if (const auto* attached = std::get_if<std::unique_ptr<Attached>>(&update)) {
    const Attached& a = **attached;
    auto table =
        std::make_unique<state::Backend>(a.backend, *a.spec, a.uid, a.status.create_time_ns, page_size_);
    table->RestoreStatus(a.status);
    LogMembership(*table, state::LogKind::kAttached, revision, log);
    tables.insert_or_assign(a.backend, std::move(table));
    membership_changed_ |= staging_ == nullptr;
  } else if (const auto* detached = std::get_if<Detached>(&update)) {
    if (const state::Backend* table = Find(tables, detached->backend)) {
      LogMembership(*table, state::LogKind::kDetached, revision, log);
    }
    // The index by id still points at it; nobody looks before it is made anew.
    tables.erase(detached->backend);
    membership_changed_ |= staging_ == nullptr;
  } else if (const auto* mappings = std::get_if<std::unique_ptr<MappingSlice>>(&update)) {
    if (state::Backend* table = Find(tables, (*mappings)->backend)) {
      for (const state::Mapping& mapping : (*mappings)->mappings) table->RestoreMapping(mapping);
    }
  } else if (const auto* status = std::get_if<std::unique_ptr<StatusSlice>>(&update)) {
    if (state::Backend* table = Find(tables, (*status)->backend)) Restore(*table, **status);
  }
}

}  // namespace shmemd::feed
