#include "server/api/mapping_query.h"

#include <absl/strings/escaping.h>
#include <absl/strings/str_cat.h>

#include <algorithm>
#include <array>
#include <functional>
#include <tuple>
#include <utility>

namespace shmemd::api {
namespace {

// Copied with the replica locked at most.
constexpr size_t kSliceEntries = 1024;

// Calls `visit` for every mapping of the scope in order of offset, until it returns false.
void Scan(const ReplicaReader& reader, const Scope& scope, std::optional<PageKey> after,
          const std::function<bool(convert::MappingRecord&)>& visit) {
  std::vector<convert::MappingRecord> slice;
  do {
    const PageRange range{after, kSliceEntries};
    reader([&](const feed::ReplicaView& view) { slice = CopyMappings(view, scope, range); });
    if (slice.empty()) return;
    after = KeyOf(slice.back());
    for (convert::MappingRecord& record : slice) {
      if (!visit(record)) return;
    }
  } while (slice.size() == kSliceEntries);
}

bool ComesBefore(const PageKey& left, const PageKey& right) {
  return std::tie(left.sort, left.backend_id, left.shmid, left.rank) <
         std::tie(right.sort, right.backend_id, right.shmid, right.rank);
}

using Keyed = std::pair<PageKey, convert::MappingRecord>;

// The first `range.limit` after `range.after`: a heap of the best so far, the last of them on top.
std::vector<convert::MappingRecord> SelectSorted(const ReplicaReader& reader, const MappingQuery& query,
                                                 const PageRange& range) {
  const auto before = [](const Keyed& left, const Keyed& right) {
    return ComesBefore(left.first, right.first);
  };
  std::vector<Keyed> heap;
  Scan(reader, query.scope, std::nullopt, [&](convert::MappingRecord& record) {
    if (!query.filter.Matches(record.mapping)) return true;
    PageKey key = KeyOf(record, query.order);
    if (range.after && !ComesBefore(*range.after, key)) return true;
    if (heap.size() == range.limit) {
      if (!ComesBefore(key, heap.front().first)) return true;
      std::pop_heap(heap.begin(), heap.end(), before);
      heap.pop_back();
    }
    heap.emplace_back(std::move(key), std::move(record));
    std::push_heap(heap.begin(), heap.end(), before);
    return true;
  });
  std::sort_heap(heap.begin(), heap.end(), before);
  std::vector<convert::MappingRecord> out;
  out.reserve(heap.size());
  for (Keyed& keyed : heap) out.push_back(std::move(keyed.second));
  return out;
}

}  // namespace

absl::StatusOr<MappingOrder> ParseMappingOrder(std::string_view text) {
  static constexpr std::array<std::pair<std::string_view, MappingOrder>, 6> kOrders{
      {{"", MappingOrder::kOffset},
       {"shm_offset_bytes", MappingOrder::kOffset},
       {"length_bytes", MappingOrder::kShortestFirst},
       {"length_bytes desc", MappingOrder::kLongestFirst},
       {"request_time", MappingOrder::kOldestFirst},
       {"request_time desc", MappingOrder::kNewestFirst}}};
  for (const auto& [name, order] : kOrders) {
    if (name == text) return order;
  }
  const std::string_view shown = text.substr(0, 64);
  return absl::InvalidArgumentError(absl::StrCat(
      "order_by: expected shm_offset_bytes, length_bytes or request_time, the last two also with "
      "\" desc\" behind them, got \"",
      absl::CHexEscape(absl::string_view(shown.data(), shown.size())), "\""));
}

std::vector<convert::MappingRecord> SelectMappings(const ReplicaReader& reader, const MappingQuery& query,
                                                   const PageRange& range) {
  if (query.order != MappingOrder::kOffset) return SelectSorted(reader, query, range);
  std::vector<convert::MappingRecord> out;
  if (query.filter.empty()) {
    reader([&](const feed::ReplicaView& view) { out = CopyMappings(view, query.scope, range); });
    return out;
  }
  Scan(reader, query.scope, range.after, [&](convert::MappingRecord& record) {
    if (query.filter.Matches(record.mapping)) out.push_back(std::move(record));
    return out.size() < range.limit;
  });
  return out;
}

PageKey KeyOf(const convert::MappingRecord& record, MappingOrder order) {
  PageKey key = KeyOf(record);
  const state::Mapping& mapping = record.mapping;
  const auto time = static_cast<uint64_t>(mapping.request_time_ns);
  switch (order) {
    case MappingOrder::kOffset:
      break;
    case MappingOrder::kShortestFirst:
      key.sort = mapping.len;
      break;
    case MappingOrder::kLongestFirst:
      key.sort = ~mapping.len;
      break;
    case MappingOrder::kOldestFirst:
      key.sort = time;
      break;
    case MappingOrder::kNewestFirst:
      key.sort = ~time;
      break;
  }
  return key;
}

}  // namespace shmemd::api
