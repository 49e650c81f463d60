// Where the API says what people should read in the log. The library itself knows no logger.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

namespace shmemd::api {

enum class LogLevel : uint8_t { kInfo, kWarning };

// One line. Any thread; empty: nobody reads.
using LogSink = std::function<void(LogLevel, const std::string&)>;

}  // namespace shmemd::api
