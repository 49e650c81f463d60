// What is known of a descriptor that a peer sent, as a value: learned once, by calls that cannot block.
#pragma once

#include <cstdint>

namespace shmemd::base {

enum class FdKind : uint8_t { kUnknown, kMemfd, kHugetlb, kDmaBuf, kFile, kDevice, kOther };
enum class FdAccess : uint8_t { kUnknown, kReadOnly, kWriteOnly, kReadWrite };

struct FdFacts {
  uint64_t device = 0;  // st_dev; with `inode` the identity of the backing
  uint64_t inode = 0;
  int64_t size_bytes = -1;  // -1: unknown
  uint32_t seals = 0;       // F_SEAL_*; meaningful if seals_known
  FdKind kind = FdKind::kUnknown;
  FdAccess access = FdAccess::kUnknown;
  bool seals_known = false;

  bool operator==(const FdFacts&) const = default;
};

}  // namespace shmemd::base
