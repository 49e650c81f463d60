#include "server/api/mapping_filter.h"

#include <absl/strings/ascii.h>
#include <absl/strings/escaping.h>
#include <absl/strings/numbers.h>
#include <absl/strings/str_cat.h>

#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <utility>

namespace shmemd::api {
namespace {

template <typename Value, size_t kCount>
std::optional<Value> Look(const std::array<std::pair<std::string_view, Value>, kCount>& table,
                          std::string_view name) {
  for (const auto& [key, value] : table) {
    if (key == name) return value;
  }
  return std::nullopt;
}

constexpr std::array<std::pair<std::string_view, uint64_t>, 3> kStates{
    {{"MAPPED", static_cast<uint64_t>(state::MappingState::kMapped)},
     {"ASSUMED", static_cast<uint64_t>(state::MappingState::kAssumed)},
     {"STALE", static_cast<uint64_t>(state::MappingState::kStale)}}};
constexpr std::array<std::pair<std::string_view, uint64_t>, 2> kAccesses{
    {{"READ_ONLY", 0}, {"READ_WRITE", 1}}};
constexpr std::array<std::pair<std::string_view, uint64_t>, 2> kBooleans{{{"false", 0}, {"true", 1}}};

std::optional<uint64_t> Number(std::string_view word) {
  const absl::string_view text(word.data(), word.size());
  uint64_t value = 0;
  const bool hexadecimal = word.substr(0, 2) == "0x" && word.size() > 2;
  if (hexadecimal ? absl::SimpleHexAtoi(text, &value) : absl::SimpleAtoi(text, &value)) return value;
  return std::nullopt;
}

bool IsWordByte(char c) { return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '_'; }
bool IsOperatorByte(char c) { return c == '=' || c == '!' || c == '<' || c == '>'; }

}  // namespace

class MappingFilter::Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  absl::StatusOr<std::vector<Comparison>> Run() {
    std::vector<Comparison> comparisons;
    SkipSpace();
    while (!text_.empty()) {
      if (comparisons.size() == kMaxComparisons) {
        return absl::InvalidArgumentError(
            absl::StrCat("filter: expected at most ", kMaxComparisons, " comparisons"));
      }
      const absl::StatusOr<Comparison> next = Next();
      if (!next.ok()) return next.status();
      comparisons.push_back(*next);
      if (text_.empty()) break;
      if (Take(IsWordByte) != "AND" || text_.empty()) return Expected("AND and another comparison");
    }
    return comparisons;
  }

 private:
  absl::StatusOr<Comparison> Next() {
    static constexpr std::array<std::pair<std::string_view, Field>, 6> kFields{
        {{"state", Field::kState},
         {"access", Field::kAccess},
         {"at_risk", Field::kAtRisk},
         {"length_bytes", Field::kLength},
         {"shm_offset_bytes", Field::kShmOffset},
         {"fd_offset_bytes", Field::kFdOffset}}};
    static constexpr std::array<std::pair<std::string_view, Operator>, 6> kOperators{
        {{"=", Operator::kEqual},
         {"!=", Operator::kNotEqual},
         {"<", Operator::kLess},
         {"<=", Operator::kLessOrEqual},
         {">", Operator::kGreater},
         {">=", Operator::kGreaterOrEqual}}};
    const std::optional<Field> field = Look(kFields, Take(IsWordByte));
    if (!field) return Expected("state, access, at_risk, length_bytes, shm_offset_bytes or fd_offset_bytes");
    const std::optional<Operator> op = Look(kOperators, Take(IsOperatorByte));
    const bool ordered = *field >= Field::kLength;
    if (!op || (!ordered && *op > Operator::kNotEqual)) {
      return Expected(ordered ? "=, !=, <, <=, > or >=" : "= or !=");
    }
    const std::optional<uint64_t> value = ValueFor(*field, Take(IsWordByte));
    if (!value) return Expected(ValuesOf(*field));
    return Comparison{*field, *op, *value};
  }

  static std::optional<uint64_t> ValueFor(Field field, std::string_view word) {
    if (field == Field::kState) return Look(kStates, word);
    if (field == Field::kAccess) return Look(kAccesses, word);
    return field == Field::kAtRisk ? Look(kBooleans, word) : Number(word);
  }

  static const char* ValuesOf(Field field) {
    if (field == Field::kState) return "MAPPED, ASSUMED or STALE";
    if (field == Field::kAccess) return "READ_ONLY or READ_WRITE";
    return field == Field::kAtRisk ? "true or false" : "a number of bytes";
  }

  // The bytes from here on that are of the kind, and the space behind them.
  std::string_view Take(bool (*of_kind)(char)) {
    before_ = text_;
    const auto end = std::find_if_not(text_.begin(), text_.end(), of_kind);
    const std::string_view word = text_.substr(0, static_cast<size_t>(end - text_.begin()));
    text_.remove_prefix(word.size());
    SkipSpace();
    return word;
  }

  void SkipSpace() {
    while (!text_.empty() && text_.front() == ' ') text_.remove_prefix(1);
  }

  absl::Status Expected(const char* what) const {
    const std::string_view shown = before_.substr(0, 64);
    return absl::InvalidArgumentError(
        absl::StrCat("filter: expected ", what, ", got \"",
                     absl::CHexEscape(absl::string_view(shown.data(), shown.size())), "\""));
  }

  std::string_view text_;
  std::string_view before_;  // what was there before the last word was taken
};

absl::StatusOr<MappingFilter> MappingFilter::Parse(std::string_view text) {
  if (text.size() > kMaxBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat("filter: expected at most ", kMaxBytes, " bytes, got ", text.size()));
  }
  absl::StatusOr<std::vector<Comparison>> comparisons = Parser(text).Run();
  if (!comparisons.ok()) return comparisons.status();
  MappingFilter filter;
  filter.comparisons_ = *std::move(comparisons);
  return filter;
}

uint64_t MappingFilter::ValueOf(const state::Mapping& mapping, Field field) {
  switch (field) {
    case Field::kState:
      return static_cast<uint64_t>(mapping.state);
    case Field::kAccess:
      return mapping.writable() ? 1 : 0;
    case Field::kAtRisk:
      return mapping.state == state::MappingState::kStale || mapping.beyond_eof_bytes() > 0 ? 1 : 0;
    case Field::kLength:
      return mapping.len;
    case Field::kShmOffset:
      return mapping.shm_offset;
    case Field::kFdOffset:
      return mapping.fd_offset;
  }
  return 0;
}

bool MappingFilter::Matches(const state::Mapping& mapping) const {
  return std::all_of(comparisons_.begin(), comparisons_.end(), [&mapping](const Comparison& comparison) {
    const uint64_t got = ValueOf(mapping, comparison.field);
    switch (comparison.op) {
      case Operator::kEqual:
        return got == comparison.value;
      case Operator::kNotEqual:
        return got != comparison.value;
      case Operator::kLess:
        return got < comparison.value;
      case Operator::kLessOrEqual:
        return got <= comparison.value;
      case Operator::kGreater:
        return got > comparison.value;
      case Operator::kGreaterOrEqual:
        return got >= comparison.value;
    }
    return false;
  });
}

}  // namespace shmemd::api
