#include "client/print/structured.h"

#include <absl/strings/str_cat.h>
#include <absl/strings/str_replace.h>
#include <absl/strings/strip.h>
#include <google/protobuf/struct.pb.h>
#include <google/protobuf/util/json_util.h>

#include <algorithm>
#include <array>
#include <cctype>

namespace shmemd::client {
namespace {

// Walks once through a JSON text and writes YAML. What the JSON printer wrote is well-formed; anything else
// ends early.
class Yaml {
 public:
  explicit Yaml(std::string_view json) : json_(json) {}

  std::string Convert() {
    SkipBlanks();
    WriteValue(0, /*inline_first=*/true);
    if (!text_.ends_with('\n')) text_ += '\n';
    return std::move(text_);
  }

 private:
  char Peek() const { return json_.empty() ? '\0' : json_.front(); }

  void SkipBlanks() {
    while (!json_.empty() && std::isspace(static_cast<unsigned char>(json_.front())) != 0)
      json_.remove_prefix(1);
  }

  // The separator or bracket in front, and the blanks after it.
  void Skip() {
    if (!json_.empty()) json_.remove_prefix(1);
    SkipBlanks();
  }

  // A string with its quotes, a number or a word.
  std::string_view TakeScalar() {
    size_t end = 0;
    if (Peek() == '"') {
      for (end = 1; end < json_.size() && json_[end] != '"'; ++end) end += json_[end] == '\\' ? 1 : 0;
      ++end;
    } else {
      end = std::min(json_.find_first_of(",]} \n\t"), json_.size());
    }
    const std::string_view scalar = json_.substr(0, end);
    json_.remove_prefix(std::min(end, json_.size()));
    SkipBlanks();
    return scalar;
  }

  // Words, paths and names need no quotes; numbers, dates and YAML's own words do, to stay text.
  static bool IsPlain(std::string_view text) {
    constexpr std::array<std::string_view, 10> kReserved = {"true", "false", "null", "yes", "no",
                                                            "on",   "off",   "y",    "n",   "nan"};
    if (text.empty() || text.size() > 100) return false;
    std::string lower(text);
    std::transform(lower.begin(), lower.end(), lower.begin(),
                   [](unsigned char c) { return std::tolower(c); });
    if (std::find(kReserved.begin(), kReserved.end(), lower) != kReserved.end()) return false;
    if (std::isalpha(static_cast<unsigned char>(text[0])) == 0 && text[0] != '/') return false;
    return std::all_of(text.begin(), text.end(), [](unsigned char c) {
      return std::isalnum(c) != 0 || c == '_' || c == '/' || c == '.' || c == '-';
    });
  }

  void WriteScalar(std::string_view scalar) {
    const bool quoted = scalar.size() >= 2 && scalar.front() == '"';
    const std::string_view inner = quoted ? scalar.substr(1, scalar.size() - 2) : scalar;
    text_ += quoted && IsPlain(inner) ? inner : scalar;
  }

  void Indent(int depth) { text_.append(2 * static_cast<size_t>(depth), ' '); }

  // `inline_first`: the cursor already stands where the first line belongs (document start, or after "- ").
  void WriteValue(int depth, bool inline_first) {
    const char open = Peek();
    if (open != '{' && open != '[') {
      if (!inline_first) text_ += ' ';
      WriteScalar(TakeScalar());
      text_ += '\n';
      return;
    }
    Skip();
    if (Peek() == (open == '{' ? '}' : ']')) {
      if (!inline_first) text_ += ' ';
      text_ += open == '{' ? "{}\n" : "[]\n";
      Skip();
      return;
    }
    if (!inline_first) text_ += '\n';
    WriteItems(open == '{', depth, inline_first);
  }

  void WriteItems(bool object, int depth, bool inline_first) {
    bool first = true;
    while (!json_.empty() && Peek() != '}' && Peek() != ']') {
      if (!(first && inline_first)) Indent(depth);
      first = false;
      if (object) {
        WriteScalar(TakeScalar());
        text_ += ':';
        Skip();
        WriteValue(depth + 1, false);
      } else {
        text_ += "- ";
        WriteValue(depth + 1, true);
      }
      if (Peek() == ',') Skip();
    }
    Skip();
  }

  std::string_view json_;
  std::string text_;
};

// JSON without its last newline, one level further in. A newline is never inside of a string.
std::string Indented(const std::string& json) {
  const absl::string_view text = absl::StripSuffix(json, "\n");
  return absl::StrReplaceAll(text, {{"\n", "\n "}});
}

}  // namespace

std::string ToJson(const google::protobuf::Message& message, std::string_view list_field) {
  google::protobuf::util::JsonPrintOptions options;
  options.add_whitespace = true;
  std::string json;
  const auto status = google::protobuf::util::MessageToJsonString(message, &json, options);
  if (!status.ok()) return "{}\n";
  if (json == "{}\n" || json == "{}") {
    return list_field.empty() ? "{}\n" : absl::StrCat("{\n \"", std::string(list_field), "\": []\n}\n");
  }
  return json;
}

std::string ToJsonLine(const google::protobuf::Message& message, std::string_view list_field) {
  std::string json;
  const bool written = google::protobuf::util::MessageToJsonString(message, &json).ok();
  if (!written || (json == "{}" && list_field.empty())) return "{}\n";
  return json == "{}" ? absl::StrCat("{\"", std::string(list_field), "\":[]}\n") : json + "\n";
}

std::string JsonArray(const std::vector<std::string>& values) {
  std::string json = "[";
  for (const std::string& value : values) {
    absl::StrAppend(&json, json.size() > 1 ? "," : "", "\n ", Indented(value));
  }
  return json += values.empty() ? "]\n" : "\n]\n";
}

std::string JsonObject(const std::vector<std::pair<std::string, std::string>>& fields) {
  std::string json = "{";
  for (const auto& [name, value] : fields) {
    absl::StrAppend(&json, json.size() > 1 ? "," : "", "\n ", JsonString(name), ": ", Indented(value));
  }
  return json += fields.empty() ? "}\n" : "\n}\n";
}

std::string JsonWithField(const std::string& object, const std::string& name, const std::string& value) {
  const size_t fields = object.find('"');
  if (fields == std::string::npos) return JsonObject({{name, value}});
  return absl::StrCat("{\n ", JsonString(name), ": ", Indented(value), ",\n ", object.substr(fields));
}

std::string JsonLine(std::string_view json) {
  std::string line;
  line.reserve(json.size());
  bool quoted = false;
  for (size_t i = 0; i < json.size(); ++i) {
    const char c = json[i];
    if (quoted && c == '\\' && i + 1 < json.size()) {
      line += c;
      line += json[++i];
      continue;
    }
    if (c == '"') quoted = !quoted;
    if (quoted || (c != ' ' && c != '\n')) line += c;
  }
  return line += '\n';
}

std::string JsonString(const std::string& text) {
  google::protobuf::Value value;
  value.set_string_value(text);
  std::string json;
  return google::protobuf::util::MessageToJsonString(value, &json).ok() ? json : "\"\"";
}

std::string JsonToYaml(std::string_view json) { return Yaml(json).Convert(); }

}  // namespace shmemd::client
