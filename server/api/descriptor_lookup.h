// Finds descriptors among those that are linked in, as server reflection hands them out.
//
// Any thread; names come from clients and are hostile. NotFound names what was asked for.
#pragma once

#include <absl/status/statusor.h>

#include <cstdint>
#include <string>
#include <vector>

namespace shmemd::api {

// Serialized FileDescriptorProtos: the file that was asked for first, then all that it needs.
using SerializedFiles = std::vector<std::string>;

absl::StatusOr<SerializedFiles> FileByName(const std::string& file);
// `symbol`: full name of a message, enum, service, method, field or extension.
absl::StatusOr<SerializedFiles> FileContainingSymbol(const std::string& symbol);
absl::StatusOr<SerializedFiles> FileContainingExtension(const std::string& message, int32_t number);
absl::StatusOr<std::vector<int32_t>> ExtensionNumbers(const std::string& message);

}  // namespace shmemd::api
