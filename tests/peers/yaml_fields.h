// Reads YAML maps by tables of keys: an unknown key and a wrong value are errors with file, line and key.
#pragma once

#include <yaml-cpp/yaml.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "tests/peers/units.h"
#include "tests/peers/wire.h"

namespace shmemd::peers {

// Reads one value; false when it is not what the key expects.
using ValueReader = std::function<bool(const YAML::Node&)>;

struct Field {
  std::string_view key;
  std::string_view expected;
  ValueReader read;
};

template <typename T>
struct Choice {
  std::string_view name;
  T value;
};

class FieldReader {
 public:
  explicit FieldReader(std::string origin) : origin_(std::move(origin)) {}

  // False, with the first error kept, when something is wrong.
  bool ReadMap(const YAML::Node& node, const std::vector<Field>& fields);

  void Fail(const YAML::Mark& mark, const std::string& what);
  const absl::Status& status() const { return status_; }

 private:
  std::string origin_;
  absl::Status status_;
};

// Empty for what is no scalar.
inline std::string ScalarText(const YAML::Node& node) { return node.IsScalar() ? node.Scalar() : ""; }

// Pairs of hexadecimal digits; spaces between them are free.
bool ReadHex(std::string_view text, Bytes& bytes);

template <typename T>
ValueReader Number(T& value, uint64_t max = std::numeric_limits<T>::max()) {
  return [&value, max](const YAML::Node& node) {
    const auto number = ParseBytes(ScalarText(node));
    if (!number || *number > max) return false;
    value = static_cast<T>(*number);
    return true;
  };
}

template <typename T>
ValueReader Number(std::optional<T>& value, uint64_t max = std::numeric_limits<T>::max()) {
  return [&value, max](const YAML::Node& node) { return Number(value.emplace(), max)(node); };
}

inline ValueReader Duration(std::chrono::milliseconds& value) {
  return [&value](const YAML::Node& node) {
    const auto duration = ParseDuration(ScalarText(node));
    if (duration) value = *duration;
    return duration.has_value();
  };
}

inline ValueReader Text(std::string& value) {
  return [&value](const YAML::Node& node) {
    value = ScalarText(node);
    return !value.empty();
  };
}

template <typename T, size_t kSize>
ValueReader OneOf(T& value, const Choice<T> (&choices)[kSize]) {
  return [&value, first = &choices[0]](const YAML::Node& node) {
    for (size_t i = 0; i < kSize; ++i) {
      if (first[i].name != ScalarText(node)) continue;
      value = first[i].value;
      return true;
    }
    return false;
  };
}

inline ValueReader Flag(bool& value) {
  static constexpr Choice<bool> kFlags[] = {{"true", true}, {"false", false}};
  return OneOf(value, kFlags);
}

}  // namespace shmemd::peers
