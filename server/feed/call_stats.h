// How many calls of the API ended how, and how long they took: written by the API, read by the metrics.
//
// Owned by the API server. Any thread; a call takes one lock that it shares with calls of its method
// only. Bounded: methods are known from the start, whatever clients ask for.
#pragma once

#include <absl/container/flat_hash_map.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "server/base/mutex.h"
#include "server/state/status.h"

namespace shmemd::feed {

enum class CallKind : uint8_t { kUnary, kClientStream, kServerStream, kBidiStream };

struct CallMethod {
  std::string service;  // "vhost.shmem.v1.ShmemInspector"
  std::string name;     // "ListRegions"
  CallKind kind = CallKind::kUnary;

  std::string path() const { return "/" + service + "/" + name; }
  bool operator==(const CallMethod&) const = default;
};

// The canonical codes, OK to UNAUTHENTICATED.
inline constexpr size_t kCallCodeCount = 17;

struct CallCounts {
  std::array<uint64_t, kCallCodeCount> handled{};
  state::DurationHistogram durations;
};

class CallStats {
 public:
  explicit CallStats(std::vector<CallMethod> methods);

  const std::vector<CallMethod>& methods() const { return methods_; }
  // The method of "/service/name"; nullopt: it is none of ours.
  std::optional<size_t> Find(std::string_view path) const;

  // `method`: an index of methods(). A code that is no canonical one counts as UNKNOWN.
  void Count(size_t method, int code, int64_t duration_ns);
  CallCounts Read(size_t method) const;

 private:
  struct Cell {
    mutable base::Mutex mutex;
    CallCounts counts ABSL_GUARDED_BY(mutex);
  };

  const std::vector<CallMethod> methods_;
  absl::flat_hash_map<std::string, size_t> by_path_;
  std::unique_ptr<Cell[]> cells_;
};

}  // namespace shmemd::feed
