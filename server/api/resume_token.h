// Opaque tokens of a Watch: where in whose numbering it stands.
//
// Pure functions, any thread; tokens come back from clients and are hostile.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace shmemd::api {

struct ResumePoint {
  uint8_t source = 0;     // who numbers: 0 is the hub of this process
  uint64_t epoch = 0;     // of the numbering; another process has another
  uint64_t sequence = 0;  // everything up to it was told

  bool operator==(const ResumePoint&) const = default;
};

std::string EncodeResumeToken(const ResumePoint& point);

// nullopt: not a token of ours.
std::optional<ResumePoint> DecodeResumeToken(std::string_view token);

}  // namespace shmemd::api
