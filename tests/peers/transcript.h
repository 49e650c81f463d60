// What a peer did, one line each: kept for tests to wait on, and written to files as it grows. Thread-safe.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdio>
#include <deque>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

namespace shmemd::peers {

class Transcript {
 public:
  // Lines also go to `file` (not owned), each flushed at once.
  void AlsoWriteTo(std::FILE* file);

  void Add(std::string line);
  // A line that says what should not have happened; it is counted, and marked UNEXPECTED.
  void AddUnexpected(std::string line);

  // The newest 4096 lines.
  std::vector<std::string> lines() const;
  size_t unexpected_count() const;

  // True as soon as a kept line contains `text`, false when `timeout` has passed.
  bool WaitFor(std::string_view text, std::chrono::milliseconds timeout = std::chrono::seconds(5)) const;

 private:
  mutable std::mutex mutex_;
  mutable std::condition_variable added_;
  std::deque<std::string> lines_;
  std::vector<std::FILE*> files_;
  size_t unexpected_count_ = 0;
};

}  // namespace shmemd::peers
