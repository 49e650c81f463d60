// The payload of SHMEM_MAP and SHMEM_UNMAP: encoding what was decoded gives the same bytes, but for the
// padding.
#include <algorithm>
#include <span>
#include <vector>

#include "server/vhost/codec.h"
#include "tests/fuzz/fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using shmemd::fuzz::Require;
  namespace vhost = shmemd::vhost;

  const std::span<const uint8_t> payload(data, size);
  const auto mmap = vhost::DecodeMMap(payload);
  Require(mmap.ok() == (size == 40), "40 bytes and no other length are read");
  if (!mmap.ok()) return 0;

  std::vector<uint8_t> expected(payload.begin(), payload.end());
  const bool padded =
      std::any_of(expected.begin() + 1, expected.begin() + 8, [](uint8_t byte) { return byte != 0; });
  Require(mmap->padding_nonzero == padded, "padding is noticed");
  Require(mmap->unknown_flags() + (mmap->writable() ? 1 : 0) == mmap->flags, "flags are known or unknown");

  std::fill(expected.begin() + 1, expected.begin() + 8, uint8_t{0});
  const auto message = vhost::EncodeMMap(vhost::BackendRequest::kShmemMap, vhost::kRequestFlags, *mmap);
  Require(std::equal(message.begin() + vhost::kHeaderBytes, message.end(), expected.begin(), expected.end()),
          "we send what we read, with padding 0");
  return 0;
}
