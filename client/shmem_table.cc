#include "shmemd/shmem_table.h"

namespace shmemd::client {
namespace {

template <typename Items, typename Visit>
void EachBelow(Items& items, const std::string& parent, const Visit& visit) {
  const std::string prefix = parent + "/";
  for (auto it = items.lower_bound(prefix); it != items.end() && it->first.starts_with(prefix);) visit(it);
}

template <typename Items>
void EraseBelow(Items& items, const std::string& parent) {
  EachBelow(items, parent, [&items](auto& it) { it = items.erase(it); });
}

}  // namespace

void ShmemTable::Take(const v1::WatchResponse& response) {
  if (response.has_snapshot_begin()) Clear();
  if (response.has_snapshot()) Add(response.snapshot());
  if (response.has_change()) Apply(response.change());
}

void ShmemTable::Clear() {
  backends_.clear();
  regions_.clear();
  mappings_.clear();
}

void ShmemTable::Add(const v1::Snapshot& part) {
  for (const v1::Backend& item : part.backends()) Put(item);
  for (const v1::Region& item : part.regions()) Put(item);
  for (const v1::Mapping& item : part.mappings()) Put(item);
}

void ShmemTable::Apply(const v1::Change& change) {
  const std::string& backend = change.event().backend();
  if (change.event().type() == v1::Event::DETACHED) {
    backends_.erase(backend);
    EraseBelow(regions_, backend);
    EraseBelow(mappings_, backend);
    return;
  }
  if (change.all_mappings_removed()) EraseBelow(mappings_, backend);
  if (change.all_mappings_stale()) {
    EachBelow(mappings_, backend, [](auto& it) {
      it->second.set_state(v1::Mapping::STALE);
      it->second.set_unmap_pending(false);
      ++it;
    });
  }
  for (const std::string& name : change.removed_mappings()) mappings_.erase(name);
  for (const v1::Mapping& item : change.mappings()) Put(item);
  for (const std::string& name : change.removed_regions()) regions_.erase(name);
  for (const v1::Region& item : change.regions()) Put(item);
  if (change.has_backend()) Put(change.backend());
}

}  // namespace shmemd::client
