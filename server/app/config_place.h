// Where in the configuration file something is wrong.
#pragma once

#include <absl/status/status.h>
#include <absl/strings/str_cat.h>

#include <algorithm>
#include <string>
#include <vector>

namespace shmemd::app {

// "FILE:LINE: KEY: WHAT"; `line` counts from 0, as yaml-cpp does.
inline absl::Status WrongAt(const std::string& file, int line, const std::string& key,
                            const std::string& what) {
  return absl::InvalidArgumentError(
      absl::StrCat(file, ":", line + 1, ": ", key, key.empty() ? "" : ": ", what));
}

// False: it was there.
inline bool AddNew(const std::string& key, std::vector<std::string>& seen) {
  if (std::find(seen.begin(), seen.end(), key) != seen.end()) return false;
  seen.push_back(key);
  return true;
}

}  // namespace shmemd::app
