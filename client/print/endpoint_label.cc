#include "client/print/endpoint_label.h"

#include <absl/strings/str_join.h>
#include <absl/strings/str_split.h>

#include <algorithm>
#include <cctype>
#include <functional>
#include <set>

namespace shmemd::client {
namespace {

constexpr char kUnix[] = "unix:";

using Words = std::vector<std::string>;

bool AllAlike(const std::vector<Words>& all, const std::function<std::string(const Words&)>& word) {
  return std::all_of(all.begin(), all.end(), [&](const Words& words) {
    return words.size() > 1 && word(words) == word(all.front());
  });
}

// Leaves out the words that all begin or end with, but never the last one of any.
void DropShared(std::vector<Words>* all) {
  while (AllAlike(*all, [](const Words& words) { return words.front(); })) {
    for (Words& words : *all) words.erase(words.begin());
  }
  while (AllAlike(*all, [](const Words& words) { return words.back(); })) {
    for (Words& words : *all) words.pop_back();
  }
}

// Paths by folder: what is shared at both ends goes.
std::vector<std::string> PathLabels(const std::vector<std::string>& paths) {
  std::vector<Words> all;
  all.reserve(paths.size());
  for (const std::string& path : paths) all.push_back(absl::StrSplit(path, '/'));
  DropShared(&all);
  std::vector<std::string> labels;
  labels.reserve(all.size());
  for (const Words& words : all) labels.push_back(absl::StrJoin(words, "/"));
  return labels;
}

bool IsNumeric(const std::string& host) {
  return std::all_of(host.begin(), host.end(), [](char c) {
    return std::isxdigit(static_cast<unsigned char>(c)) != 0 || c == '.' || c == ':' || c == '[' || c == ']';
  });
}

// Addresses: a port and a domain that all share go; numbers stay whole.
std::vector<std::string> AddressLabels(const std::vector<std::string>& addresses) {
  std::vector<std::string> hosts;
  std::set<std::string> ports;
  for (const std::string& address : addresses) {
    const size_t colon = std::min(address.rfind(':'), address.size());
    hosts.push_back(address.substr(0, colon));
    ports.insert(address.substr(colon));
  }
  if (ports.size() > 1 || std::any_of(hosts.begin(), hosts.end(), IsNumeric)) {
    return ports.size() > 1 ? addresses : hosts;
  }
  std::vector<Words> all;
  all.reserve(hosts.size());
  for (const std::string& host : hosts) all.push_back(absl::StrSplit(host, '.'));
  while (AllAlike(all, [](const Words& words) { return words.back(); })) {
    for (Words& words : all) words.pop_back();
  }
  for (size_t i = 0; i < hosts.size(); ++i) hosts[i] = absl::StrJoin(all[i], ".");
  return hosts;
}

}  // namespace

std::vector<std::string> EndpointLabels(const std::vector<std::string>& endpoints) {
  if (endpoints.size() < 2) return std::vector<std::string>(endpoints.size());
  std::vector<std::string> paths;
  std::vector<std::string> addresses;
  for (const std::string& endpoint : endpoints) {
    const bool path = endpoint.starts_with(kUnix);
    (path ? paths : addresses).push_back(path ? endpoint.substr(sizeof kUnix - 1) : endpoint);
  }
  if (paths.size() > 1) paths = PathLabels(paths);
  if (addresses.size() > 1) addresses = AddressLabels(addresses);
  std::vector<std::string> labels;
  for (size_t i = 0, path = 0, address = 0; i < endpoints.size(); ++i) {
    labels.push_back(endpoints[i].starts_with(kUnix) ? paths[path++] : addresses[address++]);
  }
  const std::set<std::string> different(labels.begin(), labels.end());
  const bool clear = different.size() == labels.size() && !different.contains("");
  return clear ? labels : endpoints;
}

}  // namespace shmemd::client
