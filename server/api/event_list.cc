#include "server/api/event_list.h"

#include <absl/strings/str_cat.h>

#include <algorithm>

#include "server/convert/event.h"

namespace shmemd::api {
namespace {

// Looked at with the replica locked at most.
constexpr size_t kScannedAtOnce = 256;

}  // namespace

bool EventFilter::Matches(std::string_view backend_id, std::optional<uint8_t> shmid,
                          v1::Event::Type type) const {
  return (types == 0 || (types >> type & 1) != 0) && InScope(backend_id, shmid);
}

bool EventFilter::InScope(std::string_view backend_id, std::optional<uint8_t> shmid) const {
  if (backend_id.empty()) return true;
  if (scope.backend_id && *scope.backend_id != backend_id) return false;
  return !scope.shmid || !shmid || *scope.shmid == *shmid;
}

absl::StatusOr<uint64_t> ParseEventTypes(const google::protobuf::RepeatedField<int>& types) {
  if (types.size() > EventFilter::kMaxTypes) {
    return absl::InvalidArgumentError(
        absl::StrCat("types: expected at most ", EventFilter::kMaxTypes, ", got ", types.size()));
  }
  uint64_t mask = 0;
  for (int type : types) {
    if (type == v1::Event::TYPE_UNSPECIFIED || !v1::Event::Type_IsValid(type)) {
      return absl::InvalidArgumentError(absl::StrCat("types: expected a type of event, got ", type));
    }
    mask |= uint64_t{1} << type;
  }
  return mask;
}

bool CopyEvents(const feed::ReplicaView& view, const EventFilter& filter, size_t limit, uint64_t& after,
                std::vector<state::LogEntry>& out) {
  const state::EventLog& log = view.events;
  const size_t first = log.After(after);
  const size_t end = std::min(log.size(), first + kScannedAtOnce);
  for (size_t i = first; i < end && out.size() < limit; ++i) {
    const state::LogEntry& entry = log.at(i);
    after = entry.revision;
    if (entry.wall_time_ns < filter.since_ns) continue;
    if (filter.Matches(entry.backend_id, convert::ShmidOf(entry), convert::TypeOf(entry)))
      out.push_back(entry);
  }
  return out.size() < limit && end < log.size();
}

}  // namespace shmemd::api
