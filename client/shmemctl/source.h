// The shmemds that a command asks: one, or several at once.
#pragma once

#include <absl/status/statusor.h>

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

#include "client/shmemctl/chosen_endpoint.h"
#include "client/shmemctl/endpoint_list.h"
#include "shmemd/client.h"

namespace shmemd::shmemctl {

// One of them. Copies share a connection.
struct Source {
  ChosenEndpoint endpoint;
  std::string label;  // in tables; empty for the only one
  client::ClientOptions options;
  client::Client client;
};

// A client for each endpoint, none of which is connected yet; `timeout` is that of each call. An endpoint
// that is named twice is asked once. InvalidArgument names the endpoint that cannot be read, and who named
// it.
absl::StatusOr<std::vector<Source>> MakeSources(const std::vector<ChosenEndpoint>& endpoints,
                                                const client::TlsFiles& tls,
                                                std::chrono::milliseconds timeout);

// Calls `work` with 0 to count - 1, up to 64 at once, each on a thread of its own, or on fewer where the
// system has no more; with one on this one. Returns when all have.
void ForEachAtOnce(size_t count, const std::function<void(size_t)>& work);

}  // namespace shmemd::shmemctl
