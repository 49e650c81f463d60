#include "tests/golden/golden.h"

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace shmemd::golden {
namespace {

[[noreturn]] void Die(std::string_view name, std::string_view what) {
  std::fprintf(stderr, "golden file %.*s: %.*s\n", static_cast<int>(name.size()), name.data(),
               static_cast<int>(what.size()), what.data());
  std::abort();
}

template <typename T>
bool Parse(std::string_view text, int base, T* value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *value, base);
  return error == std::errc{} && end == text.data() + text.size();
}

bool AppendGroup(std::string_view group, std::vector<uint8_t>* bytes) {
  uint8_t byte = 0;
  if (const size_t star = group.find('*'); star != std::string_view::npos) {
    size_t count = 0;
    if (star != 2 || !Parse(group.substr(0, star), 16, &byte) || !Parse(group.substr(star + 1), 10, &count)) {
      return false;
    }
    bytes->insert(bytes->end(), count, byte);
    return true;
  }
  if (group.size() % 2 != 0) return false;
  for (size_t i = 0; i < group.size(); i += 2) {
    if (!Parse(group.substr(i, 2), 16, &byte)) return false;
    bytes->push_back(byte);
  }
  return true;
}

}  // namespace

std::vector<uint8_t> Load(std::string_view name) {
  std::string path(GOLDEN_DIR "/");
  path.append(name).append(".hex");
  std::ifstream file(path);
  if (!file) Die(name, "cannot be opened");
  std::vector<uint8_t> bytes;
  for (std::string line; std::getline(file, line);) {
    std::istringstream groups(line.substr(0, line.find('#')));
    for (std::string group; groups >> group;) {
      if (!AppendGroup(group, &bytes)) Die(name, group);
    }
  }
  return bytes;
}

std::vector<std::string> Names(std::string_view prefix) {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(GOLDEN_DIR)) {
    const std::string stem = entry.path().stem().string();
    if (entry.path().extension() == ".hex" && stem.starts_with(prefix)) names.push_back(stem);
  }
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace shmemd::golden
