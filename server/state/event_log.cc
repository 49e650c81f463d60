#include "server/state/event_log.h"

#include <algorithm>
#include <random>
#include <utility>

namespace shmemd::state {
namespace {

uint64_t RandomNumber() {
  std::random_device random;
  return uint64_t{random()} << 32 | random();
}

}  // namespace

EventLog::EventLog(size_t capacity) : capacity_(std::max<size_t>(capacity, 1)), epoch_(RandomNumber()) {}

void EventLog::Add(LogEntry entry) {
  if (entry.breaks_copies()) complete_since_ = entry.revision;
  if (slots_.size() < capacity_) {
    slots_.push_back(std::move(entry));
    return;
  }
  complete_since_ = std::max(complete_since_, slots_[oldest_].revision);
  slots_[oldest_] = std::move(entry);
  oldest_ = (oldest_ + 1) % capacity_;
}

size_t EventLog::After(uint64_t revision) const {
  size_t low = 0;
  size_t high = size();
  while (low < high) {
    const size_t middle = low + (high - low) / 2;
    if (at(middle).revision <= revision) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

bool IsLogged(const EventBody& body) {
  return !std::holds_alternative<TrafficCounted>(body) && !std::holds_alternative<ForwardsTimed>(body);
}

}  // namespace shmemd::state
