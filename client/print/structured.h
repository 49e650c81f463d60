// Messages for programs: the proto JSON mapping, and YAML of the same structure. Pure functions.
#pragma once

#include <google/protobuf/message.h>

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace shmemd::client {

// The proto JSON mapping: lowerCamelCase, 64-bit numbers as strings, fields that are not set left out.
// `list_field` (as JSON names it) is printed as an empty list where it is empty. Ends with a newline.
std::string ToJson(const google::protobuf::Message& message, std::string_view list_field = "");

// The same without blanks, in one line.
std::string ToJsonLine(const google::protobuf::Message& message, std::string_view list_field = "");

// One document of several: values are JSON themselves and laid out as ToJson does it. Each ends with a
// newline.
std::string JsonArray(const std::vector<std::string>& values);
std::string JsonObject(const std::vector<std::pair<std::string, std::string>>& fields);
// An object, as ToJson wrote it, with one more field in front.
std::string JsonWithField(const std::string& object, const std::string& name, const std::string& value);
// JSON in one line without blanks. Ends with a newline.
std::string JsonLine(std::string_view json);
// Any text as a JSON string, without a newline.
std::string JsonString(const std::string& text);

// JSON as written by ToJson, as block-style YAML: the same keys in the same order, the same types. Text that
// YAML would read as something else stays quoted. Ends with a newline.
std::string JsonToYaml(std::string_view json);

}  // namespace shmemd::client
