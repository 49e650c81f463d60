// The names that completion offers.
#include <functional>
#include <set>
#include <string>
#include <vector>

#include "client/print/resource_name.h"
#include "client/shmemctl/completion.h"
#include "client/shmemctl/reading.h"

namespace shmemd::shmemctl {
namespace {

using Names = std::vector<std::string>;
using AskNames = std::function<absl::StatusOr<Names>(const client::Client&)>;

// Of all that the line names; somebody waits for them with a finger on the key.
Names NamesOf(Options options, const AskNames& ask) {
  options.timeout = "500ms";
  auto context = Context::Make(options);
  if (!context.ok()) return {};
  const auto sources = context->Sources();
  if (!sources.ok()) return {};
  std::set<std::string> all;
  for (const auto& names : AskEach<Names>(*context, *sources, ask)) {
    if (names.ok()) all.insert(names->begin(), names->end());
  }
  return {all.begin(), all.end()};
}

absl::StatusOr<Names> Backends(const client::Client& client) {
  const auto list = client.ListBackends();
  if (!list.ok()) return list.status();
  Names names;
  for (const auto& backend : list->backends()) names.push_back(client::ShortName(backend.name()));
  return names;
}

absl::StatusOr<Names> Regions(const client::Client& client) {
  const auto list = client.ListRegions();
  if (!list.ok()) return list.status();
  Names names;
  for (const auto& region : list->regions()) names.push_back(client::ShortName(region.name()));
  return names;
}

}  // namespace

LiveNames NamesOfServers() {
  return {.backends = [](const Options& options) { return NamesOf(options, Backends); },
          .regions = [](const Options& options) { return NamesOf(options, Regions); }};
}

}  // namespace shmemd::shmemctl
