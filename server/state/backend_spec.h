// What a back-end is before anything was heard of it: how it is named and reached.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace shmemd::state {

enum class Mode : uint8_t { kRelay, kFrontend, kProbe };
enum class Origin : uint8_t { kConfig, kRpc };

struct BackendSpec {
  std::string id;              // [a-z0-9]([-a-z0-9.]{0,61}[a-z0-9])?
  std::string backend_socket;  // absolute path that we connect to
  Mode mode = Mode::kFrontend;
  Origin origin = Origin::kConfig;

  bool operator==(const BackendSpec&) const = default;
};

bool IsValidBackendId(std::string_view id);

// "relay", "frontend", "probe".
const char* ModeName(Mode mode);

}  // namespace shmemd::state
