#include "client/shmemctl/endpoint_list.h"

#include <absl/status/status.h>
#include <absl/strings/str_cat.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>

namespace shmemd::shmemctl {
namespace {

constexpr size_t kMaxBytes = size_t{1} << 20;

std::string_view Trimmed(std::string_view line) {
  constexpr std::string_view kBlanks = " \t\r";
  const size_t begin = line.find_first_not_of(kBlanks);
  if (begin == std::string_view::npos) return "";
  return line.substr(begin, line.find_last_not_of(kBlanks) - begin + 1);
}

// A "#" within a path is none.
std::string_view WithoutComment(std::string_view line) {
  for (size_t i = 0; i < line.size(); ++i) {
    if (line[i] == '#' && (i == 0 || line[i - 1] == ' ' || line[i - 1] == '\t')) return line.substr(0, i);
  }
  return line;
}

absl::StatusOr<std::string> ReadAll(std::FILE* file, const std::string& name) {
  std::string text(kMaxBytes + 1, '\0');
  text.resize(std::fread(text.data(), 1, text.size(), file));
  if (std::ferror(file) != 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("--endpoints-from: cannot read ", name, ": ", std::strerror(errno)));
  }
  if (text.size() <= kMaxBytes) return text;
  return absl::InvalidArgumentError(absl::StrCat("--endpoints-from: ", name, " is larger than 1 MiB"));
}

}  // namespace

std::vector<NamedEndpoint> ParseEndpointList(std::string_view text, const std::string& name) {
  std::vector<NamedEndpoint> endpoints;
  for (int number = 1; !text.empty(); ++number) {
    std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    line = Trimmed(WithoutComment(line));
    if (!line.empty()) endpoints.push_back({std::string(line), absl::StrCat(name, ":", number)});
  }
  return endpoints;
}

absl::StatusOr<std::vector<NamedEndpoint>> ReadEndpointList(const std::string& path) {
  const bool input = path == "-";
  const std::string name = input ? "standard input" : path;
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> opened(
      input ? nullptr : std::fopen(path.c_str(), "re"), std::fclose);
  std::FILE* file = input ? stdin : opened.get();
  if (file == nullptr) {
    return absl::InvalidArgumentError(
        absl::StrCat("--endpoints-from: cannot open ", name, ": ", std::strerror(errno)));
  }
  const auto text = ReadAll(file, name);
  if (!text.ok()) return text.status();
  auto endpoints = ParseEndpointList(*text, name);
  if (!endpoints.empty()) return endpoints;
  return absl::InvalidArgumentError(absl::StrCat("--endpoints-from: ", name, " names no endpoint"));
}

}  // namespace shmemd::shmemctl
