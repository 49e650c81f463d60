#include "server/relay/relay_loop.h"

#include <absl/strings/str_cat.h>
#include <unistd.h>

#include <algorithm>
#include <system_error>
#include <utility>
#include <variant>

#include "server/base/posix_error.h"
#include "server/base/thread_name.h"
#include "server/feed/peaks.h"

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
  auto entry = RelayEntry::Open(Context(), std::move(spec));
  if (!entry.ok()) return entry.status();
  entries_.push_back(*std::move(entry));
  return absl::OkStatus();
}

EntryContext RelayLoop::Context() {
  return {*loop_, closer_, publisher_, config_, random_, static_cast<EntryObserver&>(*this)};
}

absl::Status RelayLoop::Start() {
  if (absl::Status status = closer_.Start(); !status.ok()) return status;
  for (const auto& entry : entries_) {
    if (absl::Status status = entry->Start(); !status.ok()) return status;
  }
  try {
    thread_ = std::thread([this] { Run(); });
  } catch (const std::system_error& error) {
    return base::PosixError(error.code().value(), "start the thread that relays");
  }
  return absl::OkStatus();
}

void RelayLoop::Drain() {
  if (!thread_.joinable()) return;
  draining_.store(true, std::memory_order_release);
  loop_->Wake();
}

void RelayLoop::RetireAll() {
  for (size_t left = entries_.size(); left > 0; --left) {
    RelayEntry& entry = *entries_[left - 1];
    if (entry.in_session()) {
      entry.Retire();
    } else {
      Remove(entry);
    }
  }
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
    turns_.store(true, std::memory_order_release);
    if (draining_.exchange(false, std::memory_order_acq_rel)) RetireAll();
    closer_.Tend();
    // Messages first; but a session that always has one must not hide the others from the readers.
    if (publisher_.resync_pending() && (ran == 0 || hub_has_room)) hub_has_room = publisher_.ResyncStep();
  }
  for (const auto& entry : entries_) entry->Stop(feed::CommandFailure::kShuttingDown);
}

void RelayLoop::TakeCommands() {
  for (const feed::Command& command : control_.Take()) {
    std::visit([&](const auto& body) { Execute(command.id, body); }, command.body);
  }
}

void RelayLoop::NotFound(uint64_t id, const std::string& backend_id) {
  control_.Complete(id, {feed::CommandFailure::kBackendNotFound,
                         absl::StrCat("back-end ", backend_id, ": not attached"), std::nullopt});
}

RelayEntry* RelayLoop::Find(const std::string& backend_id) const {
  const auto found = std::find_if(entries_.begin(), entries_.end(),
                                  [&](const auto& entry) { return entry->spec().id == backend_id; });
  return found == entries_.end() ? nullptr : found->get();
}

absl::Status RelayLoop::Add(const state::BackendSpec& spec) {
  if (absl::Status status = Attach(spec); !status.ok()) return status;
  absl::Status status = entries_.back()->Start();
  if (!status.ok()) Remove(*entries_.back());
  return status;
}

absl::Status RelayLoop::Change(RelayEntry& entry, const state::BackendSpec& spec) {
  if (absl::Status status = entry.Replace(spec); !status.ok()) return status;
  if (!entry.in_session()) Renew(entry);
  return absl::OkStatus();
}

void RelayLoop::Remove(RelayEntry& entry) {
  const state::BackendHandle backend = entry.handle();
  entry.Stop(feed::CommandFailure::kBackendNotFound);
  std::erase_if(entries_, [&](const auto& owned) { return owned.get() == &entry; });
  publisher_.Detach(backend);
}

// Its sockets pass to the entry that takes its place, with whoever waits there, and a back-end that waits.
void RelayLoop::Renew(RelayEntry& entry) {
  EntrySockets sockets;
  state::BackendSpec spec = entry.TakeSuccessor(sockets);
  Remove(entry);
  entries_.push_back(std::make_unique<RelayEntry>(Context(), std::move(sockets), std::move(spec)));
  RelayEntry& next = *entries_.back();
  if (next.Start().ok()) return;
  publisher_.Publish(next.handle(), state::StateChanged{state::BackendState::kFailed,
                                                        {.reason = state::StateReason::kSystemError}});
}

void RelayLoop::OnEntryOver(RelayEntry& entry) { entry.replaced() ? Renew(entry) : Remove(entry); }

void RelayLoop::Execute(uint64_t id, const feed::AttachCommand& command) {
  RelayEntry* entry = Find(command.spec.id);
  absl::Status status;
  if (entry == nullptr) {
    status = Add(command.spec);
  } else if (command.replace) {
    if (entry->wanted() != command.spec || entry->retired()) status = Change(*entry, command.spec);
  } else if (!state::IsSameWay(entry->wanted(), command.spec)) {
    return control_.Complete(id, {feed::CommandFailure::kAlreadyAttached,
                                  absl::StrCat("back-end ", command.spec.id, ": attached in another way",
                                               entry->retired() ? ", and being detached" : ""),
                                  std::nullopt});
  } else if (entry->retired()) {
    status = entry->Stay();
  }
  const auto failure = status.ok() ? feed::CommandFailure::kNone : feed::CommandFailure::kListenFailed;
  control_.Complete(id, {failure, std::string(status.message()), std::nullopt});
}

void RelayLoop::Execute(uint64_t id, const feed::DetachCommand& command) {
  RelayEntry* entry = Find(command.backend_id);
  if (entry == nullptr) return NotFound(id, command.backend_id);
  if (!entry->in_session() || command.session == feed::DetachCommand::Session::kEnd) {
    Remove(*entry);
  } else if (command.session == feed::DetachCommand::Session::kLeave) {
    entry->Retire();
  } else {
    return control_.Complete(
        id, {feed::CommandFailure::kBackendBusy,
             absl::StrCat("back-end ", command.backend_id, ": a session is under way"), std::nullopt});
  }
  control_.Complete(id, {});
}

void RelayLoop::Execute(uint64_t id, const feed::ResetPeaksCommand& command) {
  const RelayEntry* entry = Find(command.backend_id);
  if (entry == nullptr) return NotFound(id, command.backend_id);
  control_.Complete(id, feed::ResetPeaks(publisher_, entry->handle(), command));
}

void RelayLoop::Execute(uint64_t id, const feed::RefreshCommand& command) {
  RelayEntry* entry = Find(command.backend_id);
  if (entry == nullptr) return NotFound(id, command.backend_id);
  entry->Refresh([this, id](feed::CommandResult result) { control_.Complete(id, std::move(result)); });
}

void RelayLoop::Execute(uint64_t id, const feed::ProbeCommand& command) {
  control_.Complete(id, {feed::CommandFailure::kBackendBusy,
                         absl::StrCat("probe ", command.socket, ": the relay does not probe"), std::nullopt});
}

}  // namespace shmemd::relay
