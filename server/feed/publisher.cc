#include "server/feed/publisher.h"

#include <absl/strings/str_cat.h>

#include <utility>
#include <vector>

#include "server/base/clock.h"

namespace shmemd::feed {

Publisher::Publisher(UpdateQueue& queue, uint8_t source, uint64_t page_size)
    : queue_(queue),
      page_size_(page_size),
      start_ns_(static_cast<uint64_t>(base::WallNanos())),
      next_handle_((uint32_t{source} << 24) + 1) {}

Update Publisher::AttachedUpdate(const Tracked& tracked) const {
  auto attached = std::make_unique<Attached>();
  attached->backend = tracked.table->handle();
  attached->spec = tracked.spec;
  attached->uid = tracked.table->uid();
  attached->status = tracked.table->status();
  return attached;
}

state::BackendHandle Publisher::Attach(state::BackendSpec spec) {
  const auto handle = static_cast<state::BackendHandle>(next_handle_++);
  // The start time keeps uids of one process apart from those of the one before.
  std::string uid = absl::StrCat(absl::Hex(start_ns_), "-", static_cast<uint32_t>(handle));
  Tracked tracked;
  tracked.spec = std::make_shared<const state::BackendSpec>(spec);
  tracked.table = std::make_unique<state::Backend>(handle, std::move(spec), std::move(uid), base::WallNanos(),
                                                   page_size_);
  Send(AttachedUpdate(tracked));
  tracked_.emplace(handle, std::move(tracked));
  return handle;
}

void Publisher::Detach(state::BackendHandle backend) {
  if (tracked_.erase(backend) == 0) return;
  if (resync_ && resync_->backend == backend) resync_->backend.reset();
  Send(Detached{backend});
}

void Publisher::Publish(state::BackendHandle backend, const state::EventBody& body) {
  const auto found = tracked_.find(backend);
  if (found == tracked_.end()) return;
  state::Event event;
  event.backend = backend;
  event.sequence = ++sequence_;
  event.wall_time_ns = base::WallNanos();
  event.body = body;
  found->second.table->Apply(event);
  Send(event);
}

const state::Backend* Publisher::Find(state::BackendHandle backend) const {
  const auto found = tracked_.find(backend);
  return found == tracked_.end() ? nullptr : found->second.table.get();
}

// Until a resync has begun the hub lacks something anyhow, so there is no use in sending; once it has begun,
// live events go between the slices.
void Publisher::Send(Update&& update) {
  if (queue_.lost() && !resync_) {
    queue_.MarkLost();
    return;
  }
  if (queue_.TryPush(std::move(update))) return;
  queue_.MarkLost();
  resync_.reset();
}

bool Publisher::BeginResync() {
  // With less room the live events would soon overflow it again.
  if (queue_.room() < queue_.capacity() / 2) return false;
  if (!queue_.TryPush(SnapshotBegin{})) return false;
  resync_ = Resync{};
  resync_->done = 0;
  return true;
}

bool Publisher::ResyncStep() {
  if (!resync_pending()) return true;
  if (!resync_) return BeginResync();
  if (queue_.room() == 0) return false;
  const Resync before = *resync_;
  Update next = NextSlice();
  const bool last = std::holds_alternative<SnapshotEnd>(next);
  // Before the push: once the hub sees the end it may believe that nothing is missing.
  if (last) queue_.MarkCaughtUp();
  if (!queue_.TryPush(std::move(next))) {
    *resync_ = before;
    if (last) queue_.MarkLost();
    return false;
  }
  if (last) resync_.reset();
  return true;
}

Update Publisher::NextSlice() {
  if (!resync_->backend) {
    const auto next = tracked_.upper_bound(static_cast<state::BackendHandle>(resync_->done));
    if (next == tracked_.end()) return SnapshotEnd{};
    *resync_ = Resync{.backend = next->first, .done = static_cast<uint32_t>(next->first)};
    return AttachedUpdate(next->second);
  }
  const state::Backend& table = *tracked_.at(*resync_->backend).table;
  if (!resync_->mappings_done) {
    Update slice = NextMappings(table);
    if (!std::get<std::unique_ptr<MappingSlice>>(slice)->mappings.empty()) return slice;
  }
  resync_->backend.reset();
  return StatusOf(table);
}

Update Publisher::NextMappings(const state::Backend& table) {
  auto slice = std::make_unique<MappingSlice>();
  slice->backend = table.handle();
  for (auto region = table.regions().lower_bound(resync_->shmid); region != table.regions().end(); ++region) {
    const uint64_t from = region->first == resync_->shmid ? resync_->shm_offset : 0;
    bool full = false;
    region->second.table.ForEach(from, [&](const state::Mapping& mapping) {
      if (slice->mappings.size() == kSliceEntries) {
        resync_->shmid = region->first;
        resync_->shm_offset = mapping.shm_offset;
        full = true;
        return false;
      }
      slice->mappings.push_back(mapping);
      return true;
    });
    if (full) return slice;
  }
  resync_->mappings_done = true;
  return slice;
}

Update Publisher::StatusOf(const state::Backend& table) {
  auto slice = std::make_unique<StatusSlice>();
  slice->backend = table.handle();
  slice->status = table.status();
  slice->regions.reserve(table.regions().size());
  for (const auto& [shmid, region] : table.regions()) slice->regions.push_back(region.status);
  slice->findings.reserve(table.findings().size());
  for (const auto& [key, finding] : table.findings()) slice->findings.push_back(finding);
  return slice;
}

}  // namespace shmemd::feed
