#include "server/app/roster.h"

#include <absl/strings/str_cat.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <chrono>
#include <future>
#include <thread>
#include <utility>

#include "server/app/config_text.h"
#include "server/base/clock.h"
#include "server/base/thread_name.h"

namespace shmemd::app {
namespace {

using feed::CommandFailure;
using feed::CommandResult;

// A mover answers in milliseconds, but readers may have to be caught up first.
constexpr int64_t kMoverDeadlineNs = 60'000'000'000;
constexpr auto kMoverFullPause = std::chrono::milliseconds(5);

bool IsRelay(const state::BackendSpec& spec) { return spec.mode == state::Mode::kRelay; }

CommandResult Failed(CommandFailure failure, std::string message, std::string field = "") {
  return {failure, std::move(message), std::nullopt, std::move(field)};
}

CommandResult NotFound(const std::string& backend_id) {
  return Failed(CommandFailure::kBackendNotFound, absl::StrCat("back-end ", backend_id, " is not attached"));
}

}  // namespace

Roster::Roster(const Config& config, const RosterMovers& movers, api::ReplicaReader reader,
               std::unique_ptr<StateFile> state_file)
    : config_(config),
      movers_(movers),
      reader_(std::move(reader)),
      state_file_(std::move(state_file)),
      relay_defaults_(config.relay_defaults) {}

Roster::~Roster() { Stop(); }

// The configuration's first: what was written down must not take a socket that they need.
absl::Status Roster::OpenRelays() {
  for (const state::BackendSpec& spec : config_.backends) entries_[spec.id] = {spec};
  for (auto& [id, entry] : entries_) {
    if (absl::Status status = OpenRelay(entry); !status.ok()) return status;
  }
  if (absl::Status status = Restore(); !status.ok()) return status;
  for (auto& [id, entry] : entries_) {
    if (entry.spec.origin == state::Origin::kConfig || !entry.attached) continue;
    const absl::Status status = OpenRelay(entry);
    entry.attached = status.ok();
    if (!entry.attached)
      spdlog::error("{}: it is not attached, but stays in state_dir", std::string(status.message()));
  }
  for (const auto& [id, entry] : entries_) {
    if (entry.attached) started_with_.push_back(id);
  }
  return absl::OkStatus();
}

absl::Status Roster::OpenRelay(Entry& entry) {
  return IsRelay(entry.spec) ? movers_.relay.Attach(entry.spec) : absl::OkStatus();
}

// What the configuration says is stronger than what was written down.
absl::Status Roster::Restore() {
  if (state_file_ == nullptr) return absl::OkStatus();
  const absl::StatusOr<StateFile::Contents> contents = state_file_->Read();
  if (!contents.ok()) return contents.status();
  if (!contents->set_aside.empty()) spdlog::error("state_dir: {}", contents->set_aside);
  for (const std::string& why : contents->left_out) spdlog::error("state_dir: left out: {}", why);
  const SocketUse of_config = SocketsOfAttached();
  size_t attached = entries_.size();
  for (const state::BackendSpec& spec : contents->backends) {
    if (entries_.contains(spec.id)) {
      spdlog::warn("state_dir: back-end {} is named by the configuration, too, which holds", spec.id);
      continue;
    }
    std::string why_not;
    if (const auto clash = of_config.Find(spec)) {
      why_not = absl::StrCat("back-end ", clash->backend_id, " of the configuration uses ", clash->socket);
    } else if (const absl::Status apart = CheckApart(config_, spec); !apart.ok()) {
      why_not = std::string(apart.message());
    } else if (attached >= static_cast<size_t>(config_.max_backends)) {
      why_not = absl::StrCat("limits.max_backends is ", config_.max_backends);
    }
    entries_[spec.id] = {spec, why_not.empty()};
    attached += why_not.empty() ? 1 : 0;
    if (why_not.empty()) {
      spdlog::info("back-end {}, from state_dir", DescribeBackend(spec));
    } else {
      spdlog::error("state_dir: back-end {} is not attached, but stays written down: {}", spec.id, why_not);
    }
  }
  return absl::OkStatus();
}

absl::Status Roster::Start() {
  bool any_relay = false;
  for (const auto& [id, entry] : entries_) {
    if (!entry.attached) continue;
    any_relay |= IsRelay(entry.spec);
    if (!IsRelay(entry.spec)) movers_.frontend.Attach(entry.spec);
  }
  movers_.frontend.Start();
  if (any_relay) {
    if (absl::Status status = EnsureRelayRuns(); !status.ok()) return status;
  }
  thread_ = std::thread([this] { Run(); });
  return absl::OkStatus();
}

void Roster::Stop() {
  std::deque<Order> left;
  {
    base::MutexLock lock(mutex_);
    stopping_ = true;
    left.swap(orders_);
  }
  woken_.notify_all();
  for (Order& order : left) order.done(Failed(CommandFailure::kShuttingDown, "shmemd is shutting down"));
  if (thread_.joinable()) thread_.join();
}

void Roster::Run() {
  base::NameThisThread("roster");
  while (true) {
    std::optional<Order> order;
    std::optional<Config> reload;
    {
      base::MutexLock lock(mutex_);
      while (!stopping_ && orders_.empty() && !reload_) woken_.wait(mutex_);
      if (stopping_) return;
      if (reload_ && orders_before_reload_ == 0) {
        reload = std::exchange(reload_, std::nullopt);
      } else {
        order = std::move(orders_.front());
        orders_.pop_front();
        if (reload_) --orders_before_reload_;
      }
    }
    if (reload) {
      ReloadNow(*reload);
    } else if (order->deadline_ns < base::MonotonicNanos()) {
      order->done(Failed(CommandFailure::kBackendBusy, "it was not begun within the deadline"));
    } else {
      order->done(order->run());
    }
  }
}

void Roster::Enqueue(std::function<CommandResult()> run, int64_t deadline_ns,
                     feed::Control::Completion done) {
  CommandResult refused;
  {
    base::MutexLock lock(mutex_);
    if (!stopping_ && orders_.size() < kMaxOrders) {
      orders_.push_back({std::move(run), deadline_ns, std::move(done)});
      woken_.notify_all();
      return;
    }
    refused = stopping_
                  ? Failed(CommandFailure::kShuttingDown, "shmemd is shutting down")
                  : Failed(CommandFailure::kTooManyCommands, absl::StrCat(kMaxOrders, " calls wait already"));
  }
  done(refused);
}

state::BackendSpec Roster::relay_defaults() const {
  base::MutexLock lock(mutex_);
  return relay_defaults_;
}

void Roster::Attach(const state::BackendSpec& spec, bool validate_only, int64_t deadline_ns,
                    feed::Control::Completion done) {
  Enqueue([this, spec, validate_only] { return AttachNow(spec, validate_only); }, deadline_ns,
          std::move(done));
}

void Roster::Detach(const std::string& backend_id, bool end_sessions, int64_t deadline_ns,
                    feed::Control::Completion done) {
  Enqueue([this, backend_id, end_sessions] { return DetachNow(backend_id, end_sessions); }, deadline_ns,
          std::move(done));
}

void Roster::Reload(const Config& config) {
  {
    base::MutexLock lock(mutex_);
    reload_ = config;
    orders_before_reload_ = orders_.size();
  }
  woken_.notify_all();
}

CommandResult Roster::AttachNow(const state::BackendSpec& spec, bool validate_only) {
  if (const auto problem = FindProblem(spec)) {
    return Failed(CommandFailure::kBackendInvalid,
                  absl::StrCat(problem->field, ": ", problem->status.message()), problem->field);
  }
  const auto entry = entries_.find(spec.id);
  if (entry != entries_.end() && entry->second.attached && state::IsSameWay(entry->second.spec, spec))
    return {};
  CommandResult result = MayAttach(spec);
  if (result.failure != CommandFailure::kNone || validate_only) return result;
  result = AttachCommand(spec, false);
  if (result.failure == CommandFailure::kBackendBusy) {  // late, and perhaps done after all
    DetachCommand(spec, feed::DetachCommand::Session::kLeave);
  }
  if (result.failure != CommandFailure::kNone) return result;

  std::optional<Entry> before;
  if (entry != entries_.end()) before = entry->second;
  entries_[spec.id] = {spec};
  if (const absl::Status saved = Save(); !saved.ok()) {
    DetachCommand(spec, feed::DetachCommand::Session::kLeave);
    entries_.erase(spec.id);
    if (before) entries_[spec.id] = *before;
    return Failed(CommandFailure::kStateNotSaved, std::string(SavedAgain(saved).message()));
  }
  spdlog::info("attached by RPC: back-end {}", DescribeBackend(spec));
  return {};
}

CommandResult Roster::MayAttach(const state::BackendSpec& spec) const {
  const auto already = [&](const char* more) {
    return Failed(CommandFailure::kAlreadyAttached,
                  absl::StrCat("back-end ", spec.id, " is attached in another way", more));
  };
  const auto entry = entries_.find(spec.id);
  if (entry != entries_.end() && entry->second.attached) return already("");
  if (entry == entries_.end()) {
    const std::optional<state::BackendSpec> leaving = Leaving(spec.id);
    if (leaving && !state::IsSameWay(*leaving, spec)) return already(", and being detached");
  }
  if (const absl::Status apart = CheckApart(config_, spec); !apart.ok())
    return Failed(CommandFailure::kBackendInvalid, std::string(apart.message()), "backend_socket");
  if (const auto clash = SocketsInUse().Find(spec)) {
    const auto user = entries_.find(clash->backend_id);
    const bool only_written = user != entries_.end() && !user->second.attached;
    return Failed(
        CommandFailure::kBackendBusy,
        absl::StrCat("back-end ", spec.id, ": ", clash->socket, " is in use by back-end ", clash->backend_id,
                     only_written ? ", which is only written down: DetachBackend strikes it out" : ""));
  }
  if (const size_t attached = AttachedCount(); attached >= static_cast<size_t>(config_.max_backends)) {
    return Failed(CommandFailure::kTooManyBackends,
                  absl::StrCat("limits.max_backends: ", attached,
                               " back-ends are attached, expected at most ", config_.max_backends));
  }
  if (state_file_ != nullptr) {
    const auto read_back = ParseStateText(StateText({spec}));
    if (!read_back.ok() || read_back->backends.empty() ||
        !state::IsSameWay(read_back->backends.front(), spec))
      return Failed(CommandFailure::kBackendInvalid, "backend_socket: it cannot be written down as text",
                    "backend_socket");
  }
  return {};
}

// Also of those that are shown but leaving, and of what a session still uses that its configuration has left.
SocketUse Roster::SocketsOfAttached() const {
  SocketUse use;
  const auto add = [&](const state::BackendSpec& spec) {
    use.Add(spec);
    use.AddFiles(spec);
  };
  std::vector<state::BackendSpec> shown;
  reader_([&](const feed::ReplicaView& view) {
    for (const auto& [id, backend] : view.backends) shown.push_back(backend->spec());
  });
  for (const state::BackendSpec& spec : shown) add(spec);
  for (const auto& [id, entry] : entries_) {
    if (entry.attached) add(entry.spec);
  }
  return use;
}

SocketUse Roster::SocketsInUse() const {
  SocketUse use = SocketsOfAttached();
  for (const auto& [id, entry] : entries_) {
    if (entry.attached) continue;
    use.Add(entry.spec);
    use.AddFiles(entry.spec);
  }
  return use;
}

size_t Roster::AttachedCount() const {
  return static_cast<size_t>(std::count_if(entries_.begin(), entries_.end(),
                                           [](const auto& named) { return named.second.attached; }));
}

std::optional<state::BackendSpec> Roster::Leaving(const std::string& backend_id) const {
  std::optional<state::BackendSpec> spec;
  reader_([&](const feed::ReplicaView& view) {
    if (const state::Backend* backend = view.Find(backend_id)) spec = backend->spec();
  });
  return spec;
}

CommandResult Roster::DetachNow(const std::string& backend_id, bool end_sessions) {
  const auto session =
      end_sessions ? feed::DetachCommand::Session::kEnd : feed::DetachCommand::Session::kLeave;
  const auto found = entries_.find(backend_id);
  if (found == entries_.end()) {
    const std::optional<state::BackendSpec> leaving = Leaving(backend_id);
    return leaving ? DetachCommand(*leaving, session) : NotFound(backend_id);
  }
  const Entry entry = found->second;
  entries_.erase(found);
  // Also one of the configuration: what was attached by RPC under its id may still be written down.
  if (const absl::Status saved = Save(); !saved.ok()) {
    entries_[backend_id] = entry;
    return Failed(CommandFailure::kStateNotSaved, std::string(SavedAgain(saved).message()));
  }
  spdlog::info("detached by RPC: back-end {}{}", backend_id, end_sessions ? ", with its session" : "");
  if (!entry.attached) return {};
  CommandResult result = DetachCommand(entry.spec, session);
  if (result.failure == CommandFailure::kBackendNotFound) return {};
  return result;
}

absl::Status Roster::Save() const {
  if (state_file_ == nullptr) return absl::OkStatus();
  std::vector<state::BackendSpec> attached;
  for (const auto& [id, entry] : entries_) {
    if (entry.spec.origin == state::Origin::kRpc) attached.push_back(entry.spec);
  }
  return state_file_->Write(attached);
}

// The file may hold the change although it failed: the sync may have been all that did.
absl::Status Roster::SavedAgain(const absl::Status& failed) const {
  if (const absl::Status again = Save(); !again.ok())
    spdlog::error("{}: the file may hold a change that was not made", std::string(again.message()));
  return failed;
}

absl::Status Roster::EnsureRelayRuns() {
  if (relay_runs_) return absl::OkStatus();
  absl::Status status = movers_.relay.Start();
  relay_runs_ = status.ok();
  return status;
}

CommandResult Roster::AttachCommand(const state::BackendSpec& spec, bool replace) {
  if (IsRelay(spec)) {
    const absl::Status runs = EnsureRelayRuns();
    if (!runs.ok()) return Failed(CommandFailure::kListenFailed, std::string(runs.message()));
  }
  return Command(spec.mode, feed::AttachCommand{spec, replace});
}

CommandResult Roster::DetachCommand(const state::BackendSpec& spec, feed::DetachCommand::Session session) {
  return Command(spec.mode, feed::DetachCommand{spec.id, session});
}

// Waits for the mover, and until readers see what it did.
CommandResult Roster::Command(state::Mode mode, const feed::CommandBody& body) {
  feed::Control& control = mode == state::Mode::kRelay ? movers_.relay_control : movers_.frontend_control;
  const int64_t deadline_ns = base::MonotonicNanos() + kMoverDeadlineNs;
  while (true) {
    const auto answer = std::make_shared<std::promise<CommandResult>>();
    std::future<CommandResult> future = answer->get_future();
    control.Submit(body, deadline_ns, [answer](const CommandResult& result) { answer->set_value(result); });
    CommandResult result = future.get();
    const bool full = result.failure == CommandFailure::kTooManyCommands;
    if (!full || base::MonotonicNanos() > deadline_ns) return result;
    std::this_thread::sleep_for(kMoverFullPause);
  }
}

}  // namespace shmemd::app
