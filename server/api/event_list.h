// Which events are wanted, and a page of them from the event log.
//
// Any thread; what callers ask for is hostile.
#pragma once

#include <absl/status/statusor.h>
#include <google/protobuf/repeated_field.h>

#include <cstdint>
#include <limits>
#include <optional>
#include <string_view>
#include <vector>

#include "server/api/resource_name.h"
#include "server/feed/replica.h"
#include "server/state/event_log.h"
#include "vhost/shmem/v1/event.pb.h"

namespace shmemd::api {

namespace v1 = ::vhost::shmem::v1;

struct EventFilter {
  static constexpr int kMaxTypes = 64;

  Scope scope;
  uint64_t types = 0;                                      // a bit for each wanted v1::Event::Type; 0: all
  int64_t since_ns = std::numeric_limits<int64_t>::min();  // wall clock

  // An event of the back-end as a whole belongs to each of its regions, one of no back-end to all.
  bool Matches(std::string_view backend_id, std::optional<uint8_t> shmid, v1::Event::Type type) const;
  // Of any type.
  bool InScope(std::string_view backend_id, std::optional<uint8_t> shmid) const;
};

// InvalidArgument for a number that is no type, and for more than kMaxTypes.
absl::StatusOr<uint64_t> ParseEventTypes(const google::protobuf::RepeatedField<int>& types);

// Appends entries after the revision `after`, oldest first, until there are `limit`; `after` is then the last
// one that was looked at. True: there are more to look at, in another call, so that nobody waits long for the
// replica. Called with the replica locked.
bool CopyEvents(const feed::ReplicaView& view, const EventFilter& filter, size_t limit, uint64_t& after,
                std::vector<state::LogEntry>& out);

}  // namespace shmemd::api
