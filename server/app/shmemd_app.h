// The composition root: makes every part, connects them, starts and ends them in order.
//
// Used by main's thread only.
#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "server/api/api_server.h"
#include "server/app/config.h"
#include "server/app/roster.h"
#include "server/app/state_log.h"
#include "server/feed/control.h"
#include "server/feed/hub.h"
#include "server/feed/update_queue.h"
#include "server/frontend/frontend_loop.h"
#include "server/metrics/http_endpoint.h"
#include "server/relay/relay_loop.h"
#include "server/web/site.h"

namespace shmemd::app {

class ShmemdApp {
 public:
  // Opens every socket and port, then begins to talk to the back-ends. One that cannot be opened is an error
  // that names it; a back-end that is missing is not.
  static absl::StatusOr<std::unique_ptr<ShmemdApp>> Start(const Config& config);
  // What Start would refuse of a configuration without opening anything, in the same words.
  static absl::Status Check(const Config& config);
  // Ends what Start began: API first, so that nobody is told of back-ends that go away because we do. Relayed
  // sessions that Drain did not wait for are closed.
  ~ShmemdApp();
  ShmemdApp(const ShmemdApp&) = delete;
  ShmemdApp& operator=(const ShmemdApp&) = delete;

  // Where it serves, for the log: one line each.
  std::string Summary() const;

  // Makes what is attached as `config` names it; the log says what came of it.
  void Reload(const Config& config) { roster_->Reload(config); }

  // The first part of the end, within timeouts.shutdown: nobody is served any more, streams are told so, and
  // relayed sessions may end by themselves. Asked every now and then, `hurry` ends the waiting when it is
  // true. The log says of each session how it ended.
  void Drain(const std::function<bool()>& hurry);

 private:
  using RelayedBackends = std::map<std::string, bool>;

  explicit ShmemdApp(Config config);
  absl::Status StartServing();
  absl::Status MakeMovers();
  absl::Status StartHttp();
  void AwaitBackends() const;
  // Of a relay that drains: by id, whether a session lives.
  RelayedBackends Relayed(uint64_t& revision) const;
  std::string WhyNotAlive() const;
  std::string WhyNotReady() const;

  const Config config_;
  feed::UpdateQueue queue_;
  feed::Control control_;
  feed::UpdateQueue relay_queue_;
  feed::Control relay_control_;
  feed::Hub hub_;
  std::unique_ptr<frontend::FrontendLoop> loop_;
  std::unique_ptr<relay::RelayLoop> relay_;
  std::unique_ptr<Roster> roster_;
  std::unique_ptr<api::ApiServer> api_;
  std::unique_ptr<web::Site> site_;  // nullptr: metrics.page is off
  std::unique_ptr<metrics::HttpEndpoint> http_;
  std::unique_ptr<StateLog> state_log_;
  std::atomic<bool> ready_{false};
};

}  // namespace shmemd::app
