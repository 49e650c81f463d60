#include "server/feed/peaks.h"

#include <absl/strings/str_cat.h>

namespace shmemd::feed {

CommandResult ResetPeaks(Publisher& publisher, state::BackendHandle backend,
                         const ResetPeaksCommand& command) {
  if (!command.shmid) {
    publisher.Publish(backend, state::PeaksReset{});
    return {};
  }
  const state::Region* region = publisher.Find(backend)->FindRegion(*command.shmid);
  if (region == nullptr || !region->listed()) {
    return {CommandFailure::kRegionNotFound,
            absl::StrCat("back-end ", command.backend_id, ": nothing is known of a region with shmid ",
                         *command.shmid),
            std::nullopt};
  }
  publisher.Publish(backend, state::PeaksReset{*command.shmid});
  return {};
}

}  // namespace shmemd::feed
