#include "tests/peers/yaml_fields.h"

#include <cctype>

namespace shmemd::peers {
namespace {

std::optional<uint8_t> HexDigit(char c) {
  if (c >= '0' && c <= '9') return static_cast<uint8_t>(c - '0');
  if (c >= 'a' && c <= 'f') return static_cast<uint8_t>(c - 'a' + 10);
  return std::nullopt;
}

std::string Keys(const std::vector<Field>& fields) {
  std::string keys;
  for (const Field& field : fields) {
    if (!keys.empty()) keys += ", ";
    keys += field.key;
  }
  return keys;
}

}  // namespace

bool ReadHex(std::string_view text, Bytes& bytes) {
  std::vector<uint8_t> digits;
  for (const char c : text) {
    if (c == ' ') continue;
    const auto digit = HexDigit(c);
    if (!digit) return false;
    digits.push_back(*digit);
  }
  if (digits.size() % 2 != 0) return false;
  for (size_t i = 0; i < digits.size(); i += 2) {
    bytes.push_back(static_cast<uint8_t>(digits[i] << 4 | digits[i + 1]));
  }
  return true;
}

void FieldReader::Fail(const YAML::Mark& mark, const std::string& what) {
  if (!status_.ok()) return;
  std::string text = origin_ + ":";
  if (!mark.is_null()) text += std::to_string(mark.line + 1) + ":";
  text += " ";
  text += what;
  status_ = absl::InvalidArgumentError(text);
}

bool FieldReader::ReadMap(const YAML::Node& node, const std::vector<Field>& fields) {
  if (!node.IsMap()) {
    Fail(node.Mark(), "expected a map with the keys " + Keys(fields));
    return false;
  }
  for (const auto& entry : node) {
    const std::string key = ScalarText(entry.first);
    const Field* field = nullptr;
    for (const Field& known : fields) {
      if (known.key == key) field = &known;
    }
    if (field == nullptr) {
      Fail(entry.first.Mark(), "unknown key '" + key + "', expected one of " + Keys(fields));
    } else if (!field->read(entry.second)) {
      std::string what = "'" + key + "' expects ";
      what += field->expected;
      if (entry.second.IsScalar()) what += ", got '" + entry.second.Scalar() + "'";
      Fail(entry.second.Mark(), what);
    }
  }
  return status_.ok();
}

}  // namespace shmemd::peers
