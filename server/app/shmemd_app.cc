#include "server/app/shmemd_app.h"

#include <absl/strings/str_cat.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <optional>
#include <string_view>
#include <utility>

#include "server/app/access_config.h"
#include "server/app/config_text.h"
#include "server/app/setting_value.h"
#include "server/app/version.h"
#include "server/base/clock.h"

namespace shmemd::app {
namespace {

// Updates between a mover and the hub: 2 MiB, about a second of a busy back-end.
constexpr size_t kQueueCapacity = 8192;
constexpr uint8_t kFrontendSource = 1;
constexpr uint8_t kRelaySource = 2;
constexpr int64_t kTurnDeadlineNs = 10'000'000'000;
constexpr int64_t kAttachDeadlineNs = 2'000'000'000;
constexpr int64_t kNsPerMs = 1'000'000;
// How long calls under way and last bookmarks may take at the end.
constexpr auto kApiGrace = std::chrono::milliseconds(1000);
// How often a drain looks whether somebody is in a hurry.
constexpr int64_t kHurryPeriodNs = 100 * kNsPerMs;

uint64_t PageSize() { return static_cast<uint64_t>(sysconf(_SC_PAGESIZE)); }

// What stands at `key`; none: as created.
absl::StatusOr<std::optional<uint32_t>> Owner(const std::string& key, const std::string& text,
                                              absl::StatusOr<uint32_t> (*parse)(std::string_view)) {
  if (text.empty()) return std::optional<uint32_t>();
  const absl::StatusOr<uint32_t> number = parse(text);
  if (!number.ok()) return absl::InvalidArgumentError(absl::StrCat(key, ": ", number.status().message()));
  return std::optional<uint32_t>(*number);
}

absl::StatusOr<api::SocketConfig> MakeSocketConfig(const std::string& key, const std::string& path,
                                                   const std::string& mode, const std::string& owner,
                                                   const std::string& group) {
  api::SocketConfig socket;
  socket.path = path;
  socket.mode = static_cast<mode_t>(std::strtoul(mode.c_str(), nullptr, 8));
  const auto uid = Owner(key + "_owner", owner, ParseUser);
  if (!uid.ok()) return uid.status();
  const auto gid = Owner(key + "_group", group, ParseGroup);
  if (!gid.ok()) return gid.status();
  socket.owner = *uid;
  socket.group = *gid;
  return socket;
}

absl::StatusOr<api::ApiConfig> MakeApiConfig(const Config& config) {
  auto socket = MakeSocketConfig("api.socket", config.ApiSocketPath(), config.api_socket_mode,
                                 config.api_socket_owner, config.api_socket_group);
  if (!socket.ok()) return socket.status();
  auto admin = MakeSocketConfig("api.admin_socket", config.AdminSocketPath(), config.api_admin_socket_mode,
                                config.api_admin_socket_owner, config.api_admin_socket_group);
  if (!admin.ok()) return admin.status();
  api::ApiConfig api;
  api.socket = *std::move(socket);
  api.admin_socket = *std::move(admin);
  if (absl::Status status = AddAccess(config, api); !status.ok()) return status;
  api.facts = {kVersion, base::WallNanos(), PageSize(), static_cast<uint64_t>(config.max_mappings),
               static_cast<uint64_t>(config.max_window_bytes)};
  api.watch.max_watchers = static_cast<size_t>(config.max_watchers);
  return api;
}

frontend::FrontendConfig MakeFrontendConfig(const Config& config) {
  frontend::FrontendConfig frontend;
  frontend.timeouts.connect_ns = config.connect_timeout_ms * kNsPerMs;
  frontend.timeouts.query_ns = config.query_timeout_ms * kNsPerMs;
  frontend.reconnect.min_ns = config.reconnect_min_ms * kNsPerMs;
  frontend.reconnect.max_ns = config.reconnect_max_ms * kNsPerMs;
  frontend.limits.max_mappings = static_cast<uint64_t>(config.max_mappings);
  frontend.limits.max_window_bytes = static_cast<uint64_t>(config.max_window_bytes);
  return frontend;
}

relay::RelayConfig MakeRelayConfig(const Config& config) {
  return {.query_timeout_ns = config.query_timeout_ms * kNsPerMs,
          .reconnect_min_ns = config.reconnect_min_ms * kNsPerMs,
          .reconnect_max_ns = config.reconnect_max_ms * kNsPerMs};
}

std::vector<metrics::ProcessCollectable::Expiry> CertificateExpiries(const api::ApiServer& api) {
  std::vector<metrics::ProcessCollectable::Expiry> out;
  for (const auto& expiry : api.certificate_expiries()) {
    out.push_back({expiry.file, static_cast<double>(expiry.time)});
  }
  return out;
}

std::string HostName() {
  std::array<char, 256> name{};
  return gethostname(name.data(), name.size() - 1) == 0 ? name.data() : "";
}

// No other host reaches it, and no name of this host's leads there but localhost.
bool IsLoopback(const std::string& listen) {
  return listen.starts_with("127.") || listen.starts_with("localhost:");
}

web::Site::Options MakeSiteOptions(const Config& config, const feed::ServerFindings& findings) {
  web::Site::Options options;
  options.facts = {kVersion, base::WallNanos(), PageSize(), static_cast<uint64_t>(config.max_mappings),
                   static_cast<uint64_t>(config.max_window_bytes)};
  options.host_name = HostName();
  options.with_paths = config.metrics_page == "full";
  options.loopback_names = IsLoopback(config.metrics_listen);
  options.findings = &findings;
  return options;
}

}  // namespace

ShmemdApp::ShmemdApp(Config config)
    : config_(std::move(config)),
      queue_(kQueueCapacity),
      relay_queue_(kQueueCapacity),
      hub_(PageSize(), static_cast<size_t>(config_.max_events)) {}

absl::Status ShmemdApp::Check(const Config& config) {
  const auto api = MakeApiConfig(config);
  if (!api.ok()) return api.status();
  if (absl::Status status = api::ApiServer::Check(*api); !status.ok()) return status;
  return config.metrics_listen == "off" ? absl::OkStatus()
                                        : metrics::HttpEndpoint::CheckListen(config.metrics_listen);
}

absl::StatusOr<std::unique_ptr<ShmemdApp>> ShmemdApp::Start(const Config& config) {
  auto app = std::unique_ptr<ShmemdApp>(new ShmemdApp(config));
  if (absl::Status status = app->StartServing(); !status.ok()) return status;
  return app;
}

absl::Status ShmemdApp::StartServing() {
  if (absl::Status status = MakeMovers(); !status.ok()) return status;
  if (absl::Status status = roster_->OpenRelays(); !status.ok()) return status;
  hub_.Start();

  auto api_config = MakeApiConfig(config_);
  if (!api_config.ok()) return api_config.status();
  api_config->log = [](api::LogLevel level, const std::string& line) {
    spdlog::log(level == api::LogLevel::kInfo ? spdlog::level::info : spdlog::level::warn, "{}", line);
  };
  for (const std::string& warning : AccessWarnings(*api_config)) spdlog::warn("{}", warning);
  api_ = std::make_unique<api::ApiServer>(
      *std::move(api_config), [this](const auto& read) { hub_.Read(read); }, control_, &relay_control_,
      roster_.get());
  if (absl::Status status = api_->Start(); !status.ok()) return status;
  hub_.SetListener([this] { api_->ReplicaChanged(); });

  if (absl::Status status = StartHttp(); !status.ok()) return status;
  state_log_ = std::make_unique<StateLog>(hub_);
  // Last, so that a start that fails has disturbed no back-end.
  if (absl::Status status = roster_->Start(); !status.ok()) return status;
  AwaitBackends();
  ready_.store(true);
  return absl::OkStatus();
}

absl::Status ShmemdApp::StartHttp() {
  if (config_.metrics_listen == "off") return absl::OkStatus();
  if (config_.metrics_page != "off")
    site_ = std::make_unique<web::Site>(MakeSiteOptions(config_, api_->findings()), hub_);
  auto http = metrics::HttpEndpoint::Start(
      {config_.metrics_listen,
       kVersion,
       [this] { return WhyNotAlive(); },
       [this] { return WhyNotReady(); },
       &api_->call_stats(),
       {[this] { return api_->watcher_count(); }, [this] { return CertificateExpiries(*api_); }},
       &api_->findings(),
       site_.get(),
       IsLoopback(config_.metrics_listen)},
      hub_);
  if (!http.ok()) return http.status();
  http_ = *std::move(http);
  return absl::OkStatus();
}

// The hub is a little behind: ready means that readers see what is attached.
void ShmemdApp::AwaitBackends() const {
  const int64_t deadline_ns = base::MonotonicNanos() + kAttachDeadlineNs;
  bool all_seen = false;
  while (!all_seen && base::MonotonicNanos() < deadline_ns) {
    uint64_t revision = 0;
    hub_.Read([&](const feed::ReplicaView& view) {
      revision = view.revision;
      all_seen = std::all_of(roster_->started_with().begin(), roster_->started_with().end(),
                             [&](const std::string& id) { return view.Find(id) != nullptr; });
    });
    if (!all_seen) hub_.WaitForChange(revision, deadline_ns);
  }
}

absl::Status ShmemdApp::MakeMovers() {
  hub_.AddSource(queue_, control_);
  hub_.AddSource(relay_queue_, relay_control_);
  auto loop = frontend::FrontendLoop::Create(queue_, control_, MakeFrontendConfig(config_), kFrontendSource);
  if (!loop.ok()) return loop.status();
  loop_ = *std::move(loop);
  auto relay = relay::RelayLoop::Create(relay_queue_, relay_control_, MakeRelayConfig(config_), kRelaySource);
  if (!relay.ok()) return relay.status();
  relay_ = *std::move(relay);
  std::unique_ptr<StateFile> state_file;
  if (!config_.state_dir.empty()) {
    auto opened = StateFile::Open(config_.state_dir);
    if (!opened.ok()) return opened.status();
    state_file = *std::move(opened);
  }
  roster_ = std::make_unique<Roster>(
      config_, RosterMovers{*loop_, control_, *relay_, relay_control_},
      [this](const auto& read) { hub_.Read(read); }, std::move(state_file));
  return absl::OkStatus();
}

ShmemdApp::RelayedBackends ShmemdApp::Relayed(uint64_t& revision) const {
  RelayedBackends relayed;
  hub_.Read([&](const feed::ReplicaView& view) {
    revision = view.revision;
    for (const auto& [id, backend] : view.backends) {
      if (backend->spec().mode != state::Mode::kRelay) continue;
      relayed[id] = backend->status().state == state::BackendState::kDetaching;
    }
  });
  return relayed;
}

void ShmemdApp::Drain(const std::function<bool()>& hurry) {
  const int64_t deadline_ns = base::MonotonicNanos() + config_.shutdown_timeout_ms * kNsPerMs;
  ready_.store(false);
  roster_->Stop();
  // First, so that nobody is told of back-ends that go away because we do. A stream that does not take its
  // last bookmark is cut: it must not keep those who are in a hurry.
  api_->Shutdown(std::min(kApiGrace, std::chrono::milliseconds(config_.shutdown_timeout_ms)));
  relay_->Drain();
  uint64_t revision = 0;
  RelayedBackends relayed = Relayed(revision);
  bool hurried = hurry();
  // The relay soon says of each whether a session lives; those without one are gone then.
  const auto all_told = [&] {
    return std::all_of(relayed.begin(), relayed.end(), [](const auto& backend) { return backend.second; });
  };
  while (!relayed.empty() && !(hurried && all_told()) && base::MonotonicNanos() < deadline_ns) {
    hub_.WaitForChange(revision, std::min(deadline_ns, base::MonotonicNanos() + kHurryPeriodNs));
    const RelayedBackends before = std::exchange(relayed, Relayed(revision));
    for (const auto& [id, in_session] : before) {
      if (in_session && !relayed.contains(id))
        spdlog::info("back-end {}: drained, its session ended by itself", id);
    }
    hurried = hurry();
  }
  for (const auto& [id, in_session] : relayed) {
    if (!in_session) continue;
    spdlog::warn("back-end {}: its session is closed {}; the VM loses the device", id,
                 hurried ? "at once" : "at the deadline (timeouts.shutdown)");
  }
}

ShmemdApp::~ShmemdApp() {
  ready_.store(false);
  if (roster_ != nullptr) roster_->Stop();
  if (api_ != nullptr) api_->Shutdown(std::chrono::milliseconds(config_.shutdown_timeout_ms));
  hub_.SetListener(nullptr);
  http_.reset();
  if (loop_ != nullptr) loop_->Stop();
  if (relay_ != nullptr) relay_->Stop();
  hub_.Stop();
  state_log_.reset();
}

std::string ShmemdApp::Summary() const {
  std::string text = absl::StrCat("inspector on unix:", config_.ApiSocketPath(),
                                  "\nadmin on unix:", config_.AdminSocketPath());
  if (const std::string tcp = api_->listen_address(); !tcp.empty())
    absl::StrAppend(&text, "\ninspector on ", tcp, api_->listen_has_tls() ? " (TLS)" : "");
  if (const std::string tcp = api_->admin_listen_address(); !tcp.empty())
    absl::StrAppend(&text, "\nadmin on ", tcp, " (TLS)");
  if (http_ != nullptr) absl::StrAppend(&text, "\nmetrics on http://", http_->address(), "/metrics");
  if (site_ != nullptr) absl::StrAppend(&text, "\npage on http://", http_->address(), "/");
  for (const state::BackendSpec& backend : config_.backends) {
    absl::StrAppend(&text, "\nback-end ", DescribeBackend(backend));
  }
  return text;
}

std::string ShmemdApp::WhyNotAlive() const {
  const int64_t now_ns = base::MonotonicNanos();
  if (now_ns - hub_.last_turn_ns() > kTurnDeadlineNs) return "the hub has not turned for 10 s";
  if (ready_.load() && now_ns - loop_->last_turn_ns() > kTurnDeadlineNs)
    return "the frontend loop has not turned for 10 s";
  const int64_t relay_turn_ns = ready_.load() ? relay_->last_turn_ns() : 0;
  if (relay_turn_ns != 0 && now_ns - relay_turn_ns > kTurnDeadlineNs)
    return "the relay loop has not turned for 10 s";
  return "";
}

std::string ShmemdApp::WhyNotReady() const { return ready_.load() ? "" : "starting or stopping"; }

}  // namespace shmemd::app
