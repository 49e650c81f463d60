// The payload of a reply to GET_SHMEM_CONFIG: what is decoded is what the bytes say, and what we send of it
// decodes to the same regions.
#include <cstring>
#include <span>

#include "server/vhost/codec.h"
#include "tests/fuzz/fuzz.h"

namespace {

using shmemd::fuzz::Require;
using shmemd::vhost::ShmemConfigReply;

uint64_t SizeAt(std::span<const uint8_t> payload, size_t shmid) {
  const size_t at = 8 + 8 * shmid;
  if (at >= payload.size()) return 0;
  uint64_t bytes = 0;
  std::memcpy(&bytes, payload.data() + at, sizeof(bytes));
  return bytes;
}

void CheckAgainstBytes(const ShmemConfigReply& reply, std::span<const uint8_t> payload) {
  uint32_t nonzero = 0;
  for (size_t shmid = 0; shmid < reply.sizes.size(); ++shmid) {
    Require(reply.sizes[shmid] == SizeAt(payload, shmid), "a size is at its shmid, or 0 if it was not sent");
    if (reply.sizes[shmid] != 0) ++nonzero;
  }
  Require(reply.payload_bytes == payload.size(), "the length is kept");
  Require(reply.nonzero_sizes() == nonzero, "regions are counted");
  Require(reply.highest_shmid().has_value() == (nonzero > 0),
          "the highest shmid exists if there is a region");
  Require(nonzero == 0 || reply.sizes[*reply.highest_shmid()] != 0, "the highest shmid is one");
}

void CheckSentAgain(const ShmemConfigReply& reply) {
  const auto message = shmemd::vhost::EncodeShmemConfigReply(reply.sizes);
  Require(message.size() == 2068, "we send the whole array");
  const auto again =
      shmemd::vhost::DecodeShmemConfigReply(std::span(message).subspan(shmemd::vhost::kHeaderBytes));
  Require(again.ok() && again->sizes == reply.sizes, "we send the same regions");
  Require(again->num_regions == reply.nonzero_sizes() && again->padding == 0, "we send by the specification");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::span<const uint8_t> payload(data, size);
  const auto reply = shmemd::vhost::DecodeShmemConfigReply(payload);
  Require(reply.ok() == (size >= 8 && size <= 2056 && size % 8 == 0), "these lengths and no others are read");
  if (!reply.ok()) return 0;
  CheckAgainstBytes(*reply, payload);
  CheckSentAgain(*reply);
  return 0;
}
