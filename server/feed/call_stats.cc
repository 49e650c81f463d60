#include "server/feed/call_stats.h"

#include <absl/strings/string_view.h>

#include <utility>

namespace shmemd::feed {
namespace {

constexpr size_t kUnknown = 2;  // the canonical code

}  // namespace

CallStats::CallStats(std::vector<CallMethod> methods)
    : methods_(std::move(methods)), cells_(std::make_unique<Cell[]>(methods_.size())) {
  for (size_t i = 0; i < methods_.size(); ++i) by_path_.emplace(methods_[i].path(), i);
}

std::optional<size_t> CallStats::Find(std::string_view path) const {
  const auto found = by_path_.find(absl::string_view(path.data(), path.size()));
  return found == by_path_.end() ? std::nullopt : std::optional<size_t>(found->second);
}

void CallStats::Count(size_t method, int code, int64_t duration_ns) {
  const bool canonical = code >= 0 && static_cast<size_t>(code) < kCallCodeCount;
  Cell& cell = cells_[method];
  base::MutexLock lock(cell.mutex);
  ++cell.counts.handled[canonical ? static_cast<size_t>(code) : kUnknown];
  cell.counts.durations.Observe(duration_ns);
}

CallCounts CallStats::Read(size_t method) const {
  const Cell& cell = cells_[method];
  base::MutexLock lock(cell.mutex);
  return cell.counts;
}

}  // namespace shmemd::feed
