// One look at all that a shmemd shows, but for mappings and events.
#pragma once

#include <absl/status/statusor.h>

#include "client/print/diagnosis.h"
#include "shmemd/client.h"

namespace shmemd::shmemctl {

absl::StatusOr<client::ServerView> LookAt(const client::Client& client);

}  // namespace shmemd::shmemctl
