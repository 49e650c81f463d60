// The frontend loop with a hub behind it, as the program has them, for tests that look at what readers would
// see.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <future>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "server/base/clock.h"
#include "server/feed/control.h"
#include "server/feed/hub.h"
#include "server/feed/update_queue.h"
#include "server/frontend/frontend_loop.h"

namespace shmemd::frontend {

inline size_t OpenFdCount() {
  size_t count = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) ++count;
  return count;
}

// Fails the test if its owner leaves with more or fewer descriptors than it came with. Declare it first.
class FdBalance {
 public:
  FdBalance() : before_(OpenFdCount()) {}
  ~FdBalance() { EXPECT_EQ(OpenFdCount(), before_) << "descriptors leaked"; }
  FdBalance(const FdBalance&) = delete;
  FdBalance& operator=(const FdBalance&) = delete;

 private:
  size_t before_;
};

inline FrontendConfig QuickConfig() {
  FrontendConfig config;
  config.timeouts = {.connect_ns = 300'000'000, .query_ns = 5'000'000'000};
  config.reconnect = {.min_ns = 20'000'000, .max_ns = 100'000'000};
  config.limits.max_window_bytes = uint64_t{1} << 32;
  return config;
}

class Sidecar {
 public:
  using Predicate = std::function<bool(const state::Backend&)>;

  explicit Sidecar(const FrontendConfig& config = QuickConfig(), size_t queue_capacity = 4096)
      : queue_(queue_capacity), hub_(static_cast<uint64_t>(sysconf(_SC_PAGESIZE))) {
    hub_.AddSource(queue_, control_);
    loop_ = FrontendLoop::Create(queue_, control_, config, 1).value();
  }
  ~Sidecar() { Stop(); }
  Sidecar(const Sidecar&) = delete;
  Sidecar& operator=(const Sidecar&) = delete;

  void Attach(const std::string& id, const std::string& socket, state::Mode mode = state::Mode::kFrontend) {
    loop_->Attach({.id = id, .backend_socket = socket, .mode = mode});
  }
  void Start() {
    hub_.Start();
    loop_->Start();
  }
  void Stop() {
    loop_->Stop();
    hub_.Stop();
  }

  // Waits until readers see the back-end as the predicate wants it; false after 20 s.
  bool WaitFor(const std::string& id, const Predicate& predicate) {
    const int64_t deadline_ns = base::MonotonicNanos() + 20'000'000'000;
    while (true) {
      uint64_t revision = 0;
      bool holds = false;
      hub_.Read([&](const feed::ReplicaView& view) {
        revision = view.revision;
        const state::Backend* backend = view.Find(id);
        holds = backend != nullptr && predicate(*backend);
      });
      if (holds) return true;
      if (!hub_.WaitForChange(revision, deadline_ns)) return false;
    }
  }
  bool WaitForState(const std::string& id, state::BackendState wanted) {
    return WaitFor(id, [wanted](const state::Backend& backend) { return backend.status().state == wanted; });
  }
  bool WaitForMappedBytes(const std::string& id, uint64_t wanted) {
    return WaitFor(
        id, [wanted](const state::Backend& backend) { return backend.Totals().mapped_bytes == wanted; });
  }

  template <typename Value>
  Value Get(const std::string& id, const std::function<Value(const state::Backend&)>& get) {
    Value value{};
    hub_.Read([&](const feed::ReplicaView& view) { value = get(*view.Find(id)); });
    return value;
  }
  state::BackendStatus Status(const std::string& id) {
    return Get<state::BackendStatus>(id, [](const state::Backend& backend) { return backend.status(); });
  }

  feed::CommandResult Do(feed::CommandBody command) {
    auto promise = std::make_shared<std::promise<feed::CommandResult>>();
    std::future<feed::CommandResult> result = promise->get_future();
    control_.Submit(std::move(command), base::MonotonicNanos() + 10'000'000'000,
                    [promise](const feed::CommandResult& done) { promise->set_value(done); });
    return result.get();
  }

  FrontendLoop& loop() { return *loop_; }

 private:
  feed::UpdateQueue queue_;
  feed::Control control_;
  feed::Hub hub_;
  std::unique_ptr<FrontendLoop> loop_;
};

// Whether a finding was ever raised; it may be closed again.
inline bool HasFinding(const state::Backend& backend, state::FindingCode code) {
  return std::any_of(backend.findings().begin(), backend.findings().end(),
                     [code](const auto& entry) { return entry.second.code == code; });
}

}  // namespace shmemd::frontend
