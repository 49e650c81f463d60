#include "tests/peers/transcript.h"

#include <algorithm>
#include <utility>

namespace shmemd::peers {
namespace {
constexpr size_t kKeptLines = 4096;
}  // namespace

void Transcript::AlsoWriteTo(std::FILE* file) {
  const std::lock_guard lock(mutex_);
  files_.push_back(file);
}

void Transcript::Add(std::string line) {
  const std::lock_guard lock(mutex_);
  for (std::FILE* file : files_) {
    std::fprintf(file, "%s\n", line.c_str());
    std::fflush(file);
  }
  lines_.push_back(std::move(line));
  if (lines_.size() > kKeptLines) lines_.pop_front();
  added_.notify_all();
}

void Transcript::AddUnexpected(std::string line) {
  {
    const std::lock_guard lock(mutex_);
    ++unexpected_count_;
  }
  line += " UNEXPECTED";
  Add(std::move(line));
}

std::vector<std::string> Transcript::lines() const {
  const std::lock_guard lock(mutex_);
  return {lines_.begin(), lines_.end()};
}

size_t Transcript::unexpected_count() const {
  const std::lock_guard lock(mutex_);
  return unexpected_count_;
}

bool Transcript::WaitFor(std::string_view text, std::chrono::milliseconds timeout) const {
  std::unique_lock lock(mutex_);
  const auto has_text = [&](const std::string& line) { return line.find(text) != std::string::npos; };
  // The system clock, because GCC's TSan does not know the wait that the steady clock needs.
  return added_.wait_until(lock, std::chrono::system_clock::now() + timeout,
                           [&] { return std::any_of(lines_.begin(), lines_.end(), has_text); });
}

}  // namespace shmemd::peers
