// Which mappings a list is about: comparisons joined by AND, a subset of AIP-160. Pure functions, any thread;
// the text is hostile.
#pragma once

#include <absl/status/statusor.h>

#include <cstdint>
#include <string_view>
#include <vector>

#include "server/state/mapping.h"

namespace shmemd::api {

class MappingFilter {
 public:
  // Longer texts and more comparisons are refused.
  static constexpr size_t kMaxBytes = 512;
  static constexpr size_t kMaxComparisons = 16;

  // Takes everything.
  MappingFilter() = default;
  // "state = STALE AND length_bytes >= 0x1000". InvalidArgument says what was expected and what came.
  static absl::StatusOr<MappingFilter> Parse(std::string_view text);

  bool Matches(const state::Mapping& mapping) const;
  bool empty() const { return comparisons_.empty(); }

 private:
  enum class Field : uint8_t { kState, kAccess, kAtRisk, kLength, kShmOffset, kFdOffset };
  enum class Operator : uint8_t { kEqual, kNotEqual, kLess, kLessOrEqual, kGreater, kGreaterOrEqual };
  struct Comparison {
    Field field{};
    Operator op{};
    uint64_t value = 0;
  };
  class Parser;

  static uint64_t ValueOf(const state::Mapping& mapping, Field field);

  std::vector<Comparison> comparisons_;
};

}  // namespace shmemd::api
