// Writes down what a Watcher says, as short words that a test compares.
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <string>
#include <vector>

#include "shmemd/watch_sink.h"

namespace shmemd::client {

// "begin FIRST", "item backends/a", "synced 5", "change 6", "bookmark 7", "broken UNAVAILABLE".
class RecordingSink : public WatchSink {
 public:
  // Called after each word was written down, on the watcher's thread.
  std::function<void(const std::string&)> on_word;

  // All words, once there are `count` of them; fails to wait after 20 s.
  std::vector<std::string> Words(size_t count) {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, std::chrono::seconds(20), [&] { return words_.size() >= count; });
    return words_;
  }
  std::vector<std::chrono::milliseconds> waits() {
    const std::lock_guard lock(mutex_);
    return waits_;
  }

  void OnSnapshotBegin(SnapshotReason reason) override { Say(std::string("begin ") + NameOf(reason)); }
  void OnSnapshot(const v1::Snapshot& part) override { Say("item " + part.backends(0).name()); }
  void OnSynced(int64_t revision) override { Say("synced " + std::to_string(revision)); }
  void OnChange(const v1::Change& change, int64_t) override {
    Say("change " + std::to_string(change.event().revision()));
  }
  void OnBookmark(int64_t revision) override { Say("bookmark " + std::to_string(revision)); }
  bool OnBroken(const absl::Status& status, std::chrono::milliseconds retry_in) override {
    {
      const std::lock_guard lock(mutex_);
      waits_.push_back(retry_in);
    }
    Say("broken " + std::string(absl::StatusCodeToString(status.code())));
    return WatchSink::OnBroken(status, retry_in);
  }

 private:
  void Say(const std::string& word) {
    {
      const std::lock_guard lock(mutex_);
      words_.push_back(word);
      changed_.notify_all();
    }
    if (on_word) on_word(word);
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::string> words_;
  std::vector<std::chrono::milliseconds> waits_;
};

}  // namespace shmemd::client
