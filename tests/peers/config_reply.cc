#include "tests/peers/config_reply.h"

#include <algorithm>

namespace shmemd::peers {
namespace {

constexpr size_t kEntries = 256;
constexpr size_t kGarbageBytes = 64;

uint32_t NumRegions(const ConfigReply& reply, const Regions& regions) {
  if (reply.num_regions) return *reply.num_regions;
  using Form = ConfigReply::Form;
  const bool is_span = reply.form == Form::kSpan || reply.form == Form::kTruncatedSpan;
  if (is_span) return regions.empty() ? 0 : regions.rbegin()->first + 1U;
  return static_cast<uint32_t>(
      std::count_if(regions.begin(), regions.end(), [](const auto& region) { return region.second != 0; }));
}

Bytes Payload(const ConfigReply& reply, const Regions& regions) {
  using Form = ConfigReply::Form;
  const bool is_cut = reply.form == Form::kTruncated || reply.form == Form::kTruncatedSpan;
  const size_t highest_end = regions.empty() ? 0 : regions.rbegin()->first + size_t{1};
  std::vector<uint64_t> sizes(is_cut ? highest_end : kEntries);
  for (const auto& [shmid, size_bytes] : regions) sizes[shmid] = size_bytes;

  Bytes payload;
  Put<uint32_t>(payload, NumRegions(reply, regions));
  Put<uint32_t>(payload, reply.padding);
  for (const uint64_t size_bytes : sizes) Put<uint64_t>(payload, size_bytes);
  if (reply.payload_bytes) payload.resize(*reply.payload_bytes);
  return payload;
}

}  // namespace

Bytes EncodeConfigReply(const ConfigReply& reply, const Regions& regions) {
  if (reply.answer == ConfigReply::Answer::kGarbage) return Bytes(kGarbageBytes, 0xa5);
  Bytes bytes = EncodeMessage(reply.request_id, reply.flags, Payload(reply, regions));
  if (reply.header_size) std::memcpy(bytes.data() + 8, &*reply.header_size, sizeof(uint32_t));
  return bytes;
}

}  // namespace shmemd::peers
