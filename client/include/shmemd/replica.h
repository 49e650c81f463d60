// A copy of what a shmemd shows, which its Watcher keeps up to date: the current table at any time, without
// asking.
//
//   shmemd::client::Replica replica;
//   shmemd::client::Watcher watcher(*client, {}, &replica);
//   replica.WaitUntilSynced(std::chrono::seconds(10));
//   replica.Read([](const shmemd::client::ShmemTable& table) { ... });
//
// Any thread may read. Readers see whole states only: while a new snapshot comes in, they see the old table.
// A Replica outlives its Watcher, which follows no event types in particular.
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>

#include "shmemd/shmem_table.h"
#include "shmemd/watch_sink.h"

namespace shmemd::client {

class Replica : public WatchSink {
 public:
  struct State {
    bool synced = false;  // a whole state was seen
    bool connected =
        false;  // and what comes next follows it closely; else the table is as old as the lost connection
    int64_t revision = 0;  // of the table; starts anew with shmemd

    bool operator==(const State&) const = default;
  };
  State state() const;

  // Shows the table, which does not change meanwhile: be short, the watcher waits.
  void Read(const std::function<void(const ShmemTable&)>& read) const;

  // Whether there is a whole state; waits for the first one.
  bool WaitUntilSynced(std::chrono::milliseconds timeout) const;
  // Whether the table is at this revision or later; waits for it.
  bool WaitForRevision(int64_t revision, std::chrono::milliseconds timeout) const;

  // Who derives to hear of changes calls these, too.
  void OnSnapshotBegin(SnapshotReason reason) override;
  void OnSnapshot(const v1::Snapshot& part) override;
  void OnSynced(int64_t revision) override;
  void OnChange(const v1::Change& change, int64_t revision) override;
  void OnBookmark(int64_t revision) override;
  bool OnBroken(const absl::Status& status, std::chrono::milliseconds retry_in) override;

 private:
  void Reached(int64_t revision);

  // Of the watcher's thread alone: the table that a snapshot makes.
  ShmemTable next_;
  bool in_snapshot_ = false;

  mutable std::mutex mutex_;  // of all below
  mutable std::condition_variable changed_;
  ShmemTable table_;
  State state_;
};

}  // namespace shmemd::client
