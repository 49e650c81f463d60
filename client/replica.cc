#include "shmemd/replica.h"

#include <utility>

namespace shmemd::client {

Replica::State Replica::state() const {
  const std::lock_guard lock(mutex_);
  return state_;
}

void Replica::Read(const std::function<void(const ShmemTable&)>& read) const {
  const std::lock_guard lock(mutex_);
  read(table_);
}

bool Replica::WaitUntilSynced(std::chrono::milliseconds timeout) const {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, timeout, [this] { return state_.synced; });
}

bool Replica::WaitForRevision(int64_t revision, std::chrono::milliseconds timeout) const {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, timeout,
                           [this, revision] { return state_.synced && state_.revision >= revision; });
}

void Replica::OnSnapshotBegin(SnapshotReason) {
  next_.Clear();
  in_snapshot_ = true;
}

void Replica::OnSnapshot(const v1::Snapshot& part) { next_.Add(part); }

void Replica::OnSynced(int64_t revision) {
  const std::lock_guard lock(mutex_);
  std::swap(table_, next_);
  next_.Clear();
  in_snapshot_ = false;
  Reached(revision);
}

void Replica::OnChange(const v1::Change& change, int64_t revision) {
  if (in_snapshot_) {
    next_.Apply(change);
    return;
  }
  const std::lock_guard lock(mutex_);
  table_.Apply(change);
  Reached(revision);
}

void Replica::OnBookmark(int64_t revision) {
  const std::lock_guard lock(mutex_);
  Reached(revision);
}

bool Replica::OnBroken(const absl::Status& status, std::chrono::milliseconds) {
  const std::lock_guard lock(mutex_);
  state_.connected = false;
  return MayHeal(status);
}

void Replica::Reached(int64_t revision) {
  state_ = {.synced = true, .connected = true, .revision = revision};
  changed_.notify_all();
}

}  // namespace shmemd::client
