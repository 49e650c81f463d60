// The product's side of the benchmark.
#include <fcntl.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <utility>
#include <vector>

#include "server/base/clock.h"
#include "server/feed/control.h"
#include "server/feed/hub.h"
#include "server/feed/update_queue.h"
#include "server/net/event_loop.h"
#include "server/net/fd_closer.h"
#include "server/relay/channel.h"
#include "server/relay/relay_loop.h"
#include "server/relay/relay_session.h"
#include "server/state/backend.h"
#include "tests/bench/relay_variants.h"

namespace shmemd::bench {
namespace {

constexpr int64_t kTurnNs = 1'000'000'000;
constexpr uint64_t kPageBytes = 4096;
constexpr size_t kQueueCapacity = 4096;

class Unread final : public relay::Channel::Observer {
 public:
  session::Verdict Judge(const session::PassingMessage&, std::vector<base::UniqueFd>&) override {
    return session::Verdict::kForward;
  }
  void Passed(const session::PassingMessage&, session::Verdict, const std::vector<base::UniqueFd>&) override {
  }
  void OnSenderEnded(session::Sender, const End&) override {}
  void OnAdvanced() override {}
  void OnFinished() override { std::_Exit(0); }
};

class EndsWithSession final : public relay::RelaySession::Observer {
 public:
  void OnPeerEnded(session::Sender, bool) override {}
  void OnActivity() override {}
  void OnSessionOver() override { std::_Exit(0); }
};

// The table without the feed.
class TableSink final : public state::EventSink {
 public:
  TableSink() : backend_(kHandle, {.id = "bench", .backend_socket = ""}, "bench", 0, kPageBytes) {}
  void Publish(const state::EventBody& body) override {
    backend_.Apply(
        {.backend = kHandle, .sequence = ++sequence_, .wall_time_ns = base::WallNanos(), .body = body});
  }
  const state::Backend& table() const override { return backend_; }

 private:
  static constexpr state::BackendHandle kHandle{1};
  uint64_t sequence_ = 0;
  state::Backend backend_;
};

void Check(const absl::Status& status) {
  if (status.ok()) return;
  std::fprintf(stderr, "relay_bench: %s\n", std::string(status.message()).c_str());
  std::_Exit(1);
}

base::UniqueFd NonBlocking(int socket) {
  ::fcntl(socket, F_SETFL, ::fcntl(socket, F_GETFL) | O_NONBLOCK);
  return base::UniqueFd(socket);
}

[[noreturn]] void Turn(net::EventLoop& loop) {
  while (true) loop.Turn(kTurnNs);
}

}  // namespace

void RunPump(int frontend, int backend) {
  const auto loop = net::EventLoop::Create().value();
  net::FdCloser closer;
  Check(closer.Start());
  const net::FdCloser::Tally tally;
  Unread observer;
  relay::Channel channel(*loop, closer, tally, vhost::Channel::kBackend, NonBlocking(frontend),
                         NonBlocking(backend), observer);
  Check(channel.Start());
  Turn(*loop);
}

void RunTracker(int frontend_main, int backend_main) {
  const auto loop = net::EventLoop::Create().value();
  net::FdCloser closer;
  Check(closer.Start());
  TableSink sink;
  EndsWithSession observer;
  relay::RelaySession session({*loop, closer, sink, observer}, {}, NonBlocking(frontend_main),
                              NonBlocking(backend_main));
  Check(session.Start());
  Turn(*loop);
}

void RunShmemd(const std::string& frontend_path, const std::string& backend_path) {
  feed::UpdateQueue queue(kQueueCapacity);
  feed::Control control;
  feed::Hub hub(kPageBytes);
  hub.AddSource(queue, control);
  const auto loop = relay::RelayLoop::Create(queue, control, {}, /*source=*/1).value();
  state::BackendSpec spec{.id = "bench", .backend_socket = backend_path, .mode = state::Mode::kRelay};
  spec.frontend_socket = frontend_path;
  Check(loop->Attach(std::move(spec)));
  hub.Start();
  Check(loop->Start());
  while (true) ::pause();
}

}  // namespace shmemd::bench
