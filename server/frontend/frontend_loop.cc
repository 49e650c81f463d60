#include "server/frontend/frontend_loop.h"

#include <absl/strings/str_cat.h>
#include <unistd.h>

#include <utility>
#include <variant>

#include "server/base/file_id.h"
#include "server/base/thread_name.h"
#include "server/feed/peaks.h"

namespace shmemd::frontend {
namespace {

constexpr int64_t kMostWaitNs = 1'000'000'000;
// Between two tries while the hub has no room for what it lost.
constexpr int64_t kResyncWaitNs = 1'000'000;

}  // namespace

absl::StatusOr<std::unique_ptr<FrontendLoop>> FrontendLoop::Create(feed::UpdateQueue& queue,
                                                                   feed::Control& control,
                                                                   const FrontendConfig& config,
                                                                   uint8_t source) {
  absl::StatusOr<std::unique_ptr<net::EventLoop>> loop = net::EventLoop::Create();
  if (!loop.ok()) return loop.status();
  std::unique_ptr<FrontendLoop> frontend(new FrontendLoop(*std::move(loop), queue, control, config, source));
  if (absl::Status started = frontend->closer_.Start(); !started.ok()) return started;
  FrontendLoop* self = frontend.get();
  absl::StatusOr<net::EventLoop::WatchId> watch =
      self->loop_->Watch(control.event_fd(), [self] { self->TakeCommands(); });
  if (!watch.ok()) return watch.status();
  return frontend;
}

FrontendLoop::FrontendLoop(std::unique_ptr<net::EventLoop> loop, feed::UpdateQueue& queue,
                           feed::Control& control, const FrontendConfig& config, uint8_t source)
    : loop_(std::move(loop)),
      control_(control),
      config_(config),
      page_size_(static_cast<uint64_t>(sysconf(_SC_PAGESIZE))),
      publisher_(queue, source, page_size_),
      budget_(ReadMappingBudget(config.limits)),
      random_(std::random_device{}()) {}

FrontendLoop::~FrontendLoop() { Stop(); }

state::BackendHandle FrontendLoop::Attach(state::BackendSpec spec) {
  const state::BackendHandle backend = publisher_.Attach(std::move(spec));
  const SessionContext context{*loop_, closer_, publisher_, budget_, config_, random_};
  sessions_.push_back(std::make_unique<FrontendSession>(context, backend));
  return backend;
}

void FrontendLoop::Start() {
  for (const auto& session : sessions_) session->Start();
  thread_ = std::thread([this] { Run(); });
}

void FrontendLoop::Stop() {
  if (!thread_.joinable()) return;
  stopping_.store(true, std::memory_order_release);
  loop_->Wake();
  thread_.join();
}

void FrontendLoop::Run() {
  base::NameThisThread("frontend");
  bool hub_has_room = true;
  while (!stopping_.load(std::memory_order_acquire)) {
    int64_t wait_ns = kMostWaitNs;
    if (publisher_.resync_pending()) wait_ns = hub_has_room ? 0 : kResyncWaitNs;
    loop_->Turn(wait_ns);
    closer_.Tend();
    // In every turn, also when messages are ready: a back-end that always has one must not hide the others.
    if (publisher_.resync_pending()) hub_has_room = publisher_.ResyncStep();
  }
  Close();
}

void FrontendLoop::Close() {
  for (const auto& [id, probe] : probes_) {
    control_.Complete(id, {feed::CommandFailure::kShuttingDown, "shmemd is shutting down", std::nullopt});
  }
  probes_.clear();
  for (const auto& session : sessions_) session->Stop(feed::CommandFailure::kShuttingDown);
}

void FrontendLoop::TakeCommands() {
  for (const feed::Command& command : control_.Take()) {
    std::visit([&](const auto& body) { Execute(command.id, body); }, command.body);
  }
}

void FrontendLoop::Execute(uint64_t id, const feed::RefreshCommand& command) {
  FrontendSession* session = FindSession(command.backend_id);
  if (session == nullptr) return NotFound(id, command.backend_id);
  session->Refresh([this, id](feed::CommandResult result) { control_.Complete(id, std::move(result)); });
}

void FrontendLoop::NotFound(uint64_t id, const std::string& backend_id) {
  control_.Complete(id, {feed::CommandFailure::kBackendNotFound,
                         absl::StrCat("back-end ", backend_id, ": not attached"), std::nullopt});
}

void FrontendLoop::Remove(FrontendSession& session) {
  const state::BackendHandle backend = session.handle();
  session.Stop(feed::CommandFailure::kBackendNotFound);
  std::erase_if(sessions_, [&](const auto& owned) { return owned.get() == &session; });
  publisher_.Detach(backend);
}

void FrontendLoop::Execute(uint64_t id, const feed::AttachCommand& command) {
  FrontendSession* session = FindSession(command.spec.id);
  const bool same = session != nullptr && state::IsSameWay(session->spec(), command.spec);
  if (session != nullptr && !same && !command.replace) {
    return control_.Complete(
        id, {feed::CommandFailure::kAlreadyAttached,
             absl::StrCat("back-end ", command.spec.id, ": attached in another way"), std::nullopt});
  }
  if (!same) {
    if (session != nullptr) Remove(*session);
    Attach(command.spec);
    sessions_.back()->Start();
  }
  control_.Complete(id, {});
}

void FrontendLoop::Execute(uint64_t id, const feed::DetachCommand& command) {
  FrontendSession* session = FindSession(command.backend_id);
  if (session == nullptr) return NotFound(id, command.backend_id);
  Remove(*session);
  control_.Complete(id, {});
}

void FrontendLoop::Execute(uint64_t id, const feed::ResetPeaksCommand& command) {
  const FrontendSession* session = FindSession(command.backend_id);
  if (session == nullptr) return NotFound(id, command.backend_id);
  control_.Complete(id, feed::ResetPeaks(publisher_, session->handle(), command));
}

void FrontendLoop::Execute(uint64_t id, const feed::ProbeCommand& command) {
  if (const std::string user = UserOf(command.socket); !user.empty()) {
    return control_.Complete(id, {feed::CommandFailure::kBackendBusy,
                                  absl::StrCat("probe ", command.socket, ": ", user), std::nullopt});
  }
  auto probe = std::make_unique<Prober>(
      *loop_, closer_, command.socket, config_.timeouts, page_size_,
      [this, id](absl::StatusOr<state::ProbeReport> report) { OnProbed(id, std::move(report)); });
  probe->Start();
  probes_.emplace(id, std::move(probe));
}

void FrontendLoop::OnProbed(uint64_t id, absl::StatusOr<state::ProbeReport> report) {
  if (report.ok()) {
    control_.Complete(id, {feed::CommandFailure::kNone, "", *std::move(report)});
  } else {
    control_.Complete(id, {feed::CommandFailure::kBackendUnreachable, std::string(report.status().message()),
                           std::nullopt});
  }
  probes_.erase(id);
}

FrontendSession* FrontendLoop::FindSession(const std::string& backend_id) const {
  for (const auto& session : sessions_) {
    if (session->spec().id == backend_id) return session.get();
  }
  return nullptr;
}

std::string FrontendLoop::UserOf(const std::string& socket) const {
  for (const auto& session : sessions_) {
    if (session->connected() && base::IsSameFile(session->spec().backend_socket, socket)) {
      return absl::StrCat("in use by back-end ", session->spec().id);
    }
  }
  for (const auto& [id, probe] : probes_) {
    if (base::IsSameFile(probe->socket(), socket)) return "another probe is under way";
  }
  return "";
}

}  // namespace shmemd::frontend
