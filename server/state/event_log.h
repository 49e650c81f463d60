// What happened last to all back-ends, in the order in which readers saw it: a bounded ring.
//
// Not thread-safe: guarded by whoever owns it (the hub). An entry outlives its back-end. Memory: about 400
// bytes an entry, taken when it is first needed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "server/state/event.h"
#include "server/state/mapping_changes.h"

namespace shmemd::state {

enum class LogKind : uint8_t {
  kEvent,
  kAttached,
  kDetached,
  kLost,  // events are missing here
};

struct LogEntry {
  uint64_t revision = 0;     // of what is shown, after this
  int64_t wall_time_ns = 0;  // when it happened
  BackendHandle backend{};   // kLost: none
  LogKind kind = LogKind::kEvent;
  std::string backend_id;  // kLost: empty
  EventBody body;          // kEvent only
  MappingChanges changes;  // kEvent only

  // A copy that is kept by the entries alone is wrong from here on.
  bool breaks_copies() const { return kind == LogKind::kLost || changes.too_many; }
};

class EventLog {
 public:
  explicit EventLog(size_t capacity);

  // `entry.revision` is higher than all before. The oldest entry makes room.
  void Add(LogEntry entry);

  // Tells this numbering from that of any other process, or source.
  uint64_t epoch() const { return epoch_; }
  size_t capacity() const { return capacity_; }
  size_t size() const { return slots_.size(); }
  // 0 is the oldest.
  const LogEntry& at(size_t index) const { return slots_[(oldest_ + index) % slots_.size()]; }
  // Index of the first entry after `revision`; size() if there is none.
  size_t After(uint64_t revision) const;
  // Whoever knows the state of this revision, or of a later one, can go on with the entries after it.
  uint64_t complete_since() const { return complete_since_; }

 private:
  const size_t capacity_;
  const uint64_t epoch_;
  std::vector<LogEntry> slots_;
  size_t oldest_ = 0;
  uint64_t complete_since_ = 0;
};

// Whether an event is worth an entry: the counts of a relay's traffic, which come all the time, are not.
bool IsLogged(const EventBody& body);

}  // namespace shmemd::state
