#include "server/relay/relay_loop.h"

#include <absl/strings/str_cat.h>
#include <unistd.h>

#include <utility>
#include <variant>

#include "server/base/thread_name.h"

namespace shmemd::relay {
namespace {

constexpr int64_t kMostWaitNs = 1'000'000'000;
// Between two tries while the hub has no room for what it lost.
constexpr int64_t kResyncWaitNs = 1'000'000;

}  // namespace

absl::StatusOr<std::unique_ptr<RelayLoop>> RelayLoop::Create(feed::UpdateQueue& queue, feed::Control& control,
                                                             const RelayConfig& config, uint8_t source) {
  absl::StatusOr<std::unique_ptr<net::EventLoop>> loop = net::EventLoop::Create();
  if (!loop.ok()) return loop.status();
  std::unique_ptr<RelayLoop> relay(new RelayLoop(*std::move(loop), queue, control, config, source));
  if (absl::Status started = relay->closer_.Start(); !started.ok()) return started;
  RelayLoop* self = relay.get();
  absl::StatusOr<net::EventLoop::WatchId> watch =
      self->loop_->Watch(control.event_fd(), [self] { self->TakeCommands(); });
  if (!watch.ok()) return watch.status();
  return relay;
}

RelayLoop::RelayLoop(std::unique_ptr<net::EventLoop> loop, feed::UpdateQueue& queue, feed::Control& control,
                     const RelayConfig& config, uint8_t source)
    : loop_(std::move(loop)),
      control_(control),
      config_(config),
      publisher_(queue, source, static_cast<uint64_t>(sysconf(_SC_PAGESIZE))),
      random_(std::random_device{}()) {}

RelayLoop::~RelayLoop() { Stop(); }

absl::Status RelayLoop::Attach(state::BackendSpec spec) {
  auto entry = RelayEntry::Open({*loop_, closer_, publisher_, config_, random_}, std::move(spec));
  if (!entry.ok()) return entry.status();
  entries_.push_back(*std::move(entry));
  return absl::OkStatus();
}

absl::Status RelayLoop::Start() {
  for (const auto& entry : entries_) {
    if (absl::Status status = entry->Start(); !status.ok()) return status;
  }
  thread_ = std::thread([this] { Run(); });
  return absl::OkStatus();
}

void RelayLoop::Stop() {
  if (!thread_.joinable()) return;
  stopping_.store(true, std::memory_order_release);
  loop_->Wake();
  thread_.join();
}

void RelayLoop::Run() {
  base::NameThisThread("relay");
  bool hub_has_room = true;
  while (!stopping_.load(std::memory_order_acquire)) {
    int64_t wait_ns = kMostWaitNs;
    if (publisher_.resync_pending()) wait_ns = hub_has_room ? 0 : kResyncWaitNs;
    const size_t ran = loop_->Turn(wait_ns);
    closer_.Tend();
    // Messages first; but a session that always has one must not hide the others from the readers.
    if (publisher_.resync_pending() && (ran == 0 || hub_has_room)) hub_has_room = publisher_.ResyncStep();
  }
  for (const auto& entry : entries_) entry->Stop();
}

void RelayLoop::TakeCommands() {
  for (const feed::Command& command : control_.Take()) {
    std::visit([&](const auto& body) { Execute(command.id, body); }, command.body);
  }
}

void RelayLoop::Execute(uint64_t id, const feed::RefreshCommand& command) {
  for (const auto& entry : entries_) {
    if (entry->spec().id != command.backend_id) continue;
    return entry->Refresh(
        [this, id](feed::CommandResult result) { control_.Complete(id, std::move(result)); });
  }
  control_.Complete(id, {feed::CommandFailure::kBackendNotFound,
                         absl::StrCat("back-end ", command.backend_id, ": not attached"), std::nullopt});
}

void RelayLoop::Execute(uint64_t id, const feed::ProbeCommand& command) {
  control_.Complete(id, {feed::CommandFailure::kBackendBusy,
                         absl::StrCat("probe ", command.socket, ": the relay does not probe"), std::nullopt});
}

}  // namespace shmemd::relay
