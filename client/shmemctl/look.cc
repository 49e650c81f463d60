#include "client/shmemctl/look.h"

#include <utility>

namespace shmemd::shmemctl {
namespace {

template <typename Value>
absl::Status Keep(absl::StatusOr<Value> value, Value* to) {
  if (!value.ok()) return value.status();
  *to = *std::move(value);
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<client::ServerView> LookAt(const client::Client& client) {
  client::ServerView view;
  absl::Status status = Keep(client.GetServerInfo(), &view.info);
  client::Client::Health health;
  if (status.ok()) status = Keep(client.CheckHealth(), &health);
  if (status.ok()) status = Keep(client.ListBackends(), &view.backends);
  if (status.ok()) status = Keep(client.ListRegions(), &view.regions);
  if (status.ok()) status = Keep(client.ListFindings(), &view.findings);
  if (!status.ok()) return status;
  view.health = health.status;
  return view;
}

}  // namespace shmemd::shmemctl
