#include "client/shmemctl/source.h"

#include <absl/status/status.h>
#include <absl/strings/str_cat.h>

#include <algorithm>
#include <atomic>
#include <set>
#include <system_error>
#include <thread>
#include <utility>

#include "client/print/endpoint_label.h"

namespace shmemd::shmemctl {
namespace {

// Who waits for an answer costs a thread that sleeps.
constexpr size_t kMostAtOnce = 64;

absl::StatusOr<Source> MakeSource(ChosenEndpoint endpoint, const client::TlsFiles& files,
                                  std::chrono::milliseconds timeout) {
  auto tls = ChooseTls(files, endpoint, client::ProcessEnvironment);
  if (!tls.ok()) return tls.status();
  endpoint.tls = tls->has_value();
  client::ClientOptions options{.endpoint = endpoint.text(), .tls = *std::move(tls), .timeout = timeout};
  auto client = client::Client::Create(options);
  if (!client.ok()) return client.status();
  return Source{std::move(endpoint), "", std::move(options), *std::move(client)};
}

}  // namespace

absl::StatusOr<std::vector<Source>> MakeSources(const std::vector<ChosenEndpoint>& endpoints,
                                                const client::TlsFiles& tls,
                                                std::chrono::milliseconds timeout) {
  std::vector<Source> sources;
  std::set<std::string> seen;
  std::vector<std::string> texts;
  for (const ChosenEndpoint& endpoint : endpoints) {
    if (!seen.insert(endpoint.text()).second) continue;
    // Among several, the files for TLS are meant for those that have it.
    const bool plain = endpoints.size() > 1 && !endpoint.path.empty();
    auto source = MakeSource(endpoint, plain ? client::TlsFiles() : tls, timeout);
    if (!source.ok()) return source.status();
    sources.push_back(*std::move(source));
    texts.push_back(endpoint.text());
  }
  const std::vector<std::string> labels = client::EndpointLabels(texts);
  for (size_t i = 0; i < sources.size(); ++i) sources[i].label = labels[i];
  return sources;
}

void ForEachAtOnce(size_t count, const std::function<void(size_t)>& work) {
  std::atomic<size_t> next{0};
  const auto take = [&next, &work, count] {
    for (size_t i = next++; i < count; i = next++) work(i);
  };
  if (count <= 1) return take();
  std::vector<std::thread> threads;
  try {
    for (size_t i = 0; i < std::min(count, kMostAtOnce); ++i) threads.emplace_back(take);
  } catch (const std::system_error&) {
    // No more threads can be had: those that are there do it all, this one with them.
    take();
  }
  for (std::thread& thread : threads) thread.join();
}

}  // namespace shmemd::shmemctl
