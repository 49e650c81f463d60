#include "server/feed/replica.h"

#include <utility>

namespace shmemd::feed {
namespace {

state::Backend* Find(SourceReplica::Tables& tables, state::BackendHandle handle) {
  const auto found = tables.find(handle);
  return found == tables.end() ? nullptr : found->second.get();
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

bool SourceReplica::Apply(Update&& update) {
  if (std::holds_alternative<SnapshotBegin>(update)) {
    staging_ = std::make_unique<Tables>();
    return false;
  }
  if (std::holds_alternative<SnapshotEnd>(update)) {
    if (staging_ == nullptr) return false;
    tables_ = std::move(*staging_);
    staging_.reset();
    membership_changed_ = true;
    return true;
  }
  ApplyTo(staging_ != nullptr ? *staging_ : tables_, std::move(update));
  return staging_ == nullptr;
}

void SourceReplica::ApplyTo(Tables& tables, Update&& update) {
  if (const auto* event = std::get_if<state::Event>(&update)) {
    if (state::Backend* table = Find(tables, event->backend)) table->Apply(*event);
  } else if (const auto* attached = std::get_if<std::unique_ptr<Attached>>(&update)) {
    const Attached& a = **attached;
    auto table =
        std::make_unique<state::Backend>(a.backend, *a.spec, a.uid, a.status.create_time_ns, page_size_);
    table->RestoreStatus(a.status);
    tables.insert_or_assign(a.backend, std::move(table));
    membership_changed_ |= staging_ == nullptr;
  } else if (const auto* detached = std::get_if<Detached>(&update)) {
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
