// RegionTable beside its floor: a plain absl::btree_map with a 24-byte entry, which keeps neither totals nor
// holes. Each round changes a full table in random places, so every figure is the price at that size.
#include <absl/container/btree_map.h>
#include <benchmark/benchmark.h>
#include <malloc.h>

#include <algorithm>
#include <cstdint>
#include <random>
#include <vector>

#include "server/state/region_table.h"

namespace shmemd::state {
namespace {

constexpr uint64_t kPage = 4096;
constexpr uint64_t kStride = 2 * kPage;

struct Range {
  uint64_t len = 0;
  uint64_t fd_offset = 0;
  uint32_t backing = 0;
};
using PlainMap = absl::btree_map<uint64_t, Range>;

size_t AllocatedBytes() { return mallinfo2().uordblks + mallinfo2().hblkhd; }

std::vector<uint64_t> ShuffledOffsets(int64_t count) {
  std::vector<uint64_t> offsets(static_cast<size_t>(count));
  for (size_t i = 0; i < offsets.size(); ++i) offsets[i] = i * kStride;
  std::shuffle(offsets.begin(), offsets.end(), std::mt19937(1));
  return offsets;
}

Mapping MappingAt(uint64_t shm_offset) {
  Mapping mapping;
  mapping.shm_offset = shm_offset;
  mapping.len = kPage;
  mapping.fd.inode = 1;
  mapping.ack_latency_ns = 1000;
  return mapping;
}

void ReportBytes(benchmark::State& state, size_t before) {
  state.counters["bytes_each"] =
      static_cast<double>(AllocatedBytes() - before) / static_cast<double>(state.range(0));
}

void BM_RegionTableEraseInsert(benchmark::State& state) {
  const std::vector<uint64_t> offsets = ShuffledOffsets(state.range(0));
  BackingPool pool;
  const size_t before = AllocatedBytes();
  RegionTable table(pool);
  table.SetSize(offsets.size() * kStride);
  for (const uint64_t offset : offsets) table.Insert(MappingAt(offset));
  ReportBytes(state, before);
  size_t i = 0;
  for (auto _ : state) {
    const uint64_t offset = offsets[i++ % offsets.size()];
    table.Erase(offset, kPage);
    table.Insert(MappingAt(offset));
    benchmark::DoNotOptimize(table.largest_hole_bytes());
  }
}

void BM_PlainMapEraseInsert(benchmark::State& state) {
  const std::vector<uint64_t> offsets = ShuffledOffsets(state.range(0));
  const size_t before = AllocatedBytes();
  PlainMap map;
  for (const uint64_t offset : offsets) map.emplace(offset, Range{kPage, 0, 1});
  ReportBytes(state, before);
  size_t i = 0;
  for (auto _ : state) {
    const uint64_t offset = offsets[i++ % offsets.size()];
    map.erase(offset);
    map.emplace(offset, Range{kPage, 0, 1});
  }
}

void BM_RegionTableFind(benchmark::State& state) {
  const std::vector<uint64_t> offsets = ShuffledOffsets(state.range(0));
  BackingPool pool;
  RegionTable table(pool);
  for (const uint64_t offset : offsets) table.Insert(MappingAt(offset));
  size_t i = 0;
  for (auto _ : state) benchmark::DoNotOptimize(table.Find(offsets[i++ % offsets.size()] + 100));
}

void BM_PlainMapFind(benchmark::State& state) {
  const std::vector<uint64_t> offsets = ShuffledOffsets(state.range(0));
  PlainMap map;
  for (const uint64_t offset : offsets) map.emplace(offset, Range{kPage, 0, 1});
  size_t i = 0;
  for (auto _ : state) benchmark::DoNotOptimize(map.upper_bound(offsets[i++ % offsets.size()] + 100));
}

BENCHMARK(BM_RegionTableEraseInsert)->RangeMultiplier(10)->Range(1000, 1'000'000);
BENCHMARK(BM_PlainMapEraseInsert)->RangeMultiplier(10)->Range(1000, 1'000'000);
BENCHMARK(BM_RegionTableFind)->RangeMultiplier(10)->Range(1000, 1'000'000);
BENCHMARK(BM_PlainMapFind)->RangeMultiplier(10)->Range(1000, 1'000'000);

}  // namespace
}  // namespace shmemd::state
