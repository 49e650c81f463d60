#include "client/shmemctl/show.h"

#include <chrono>
#include <cstdio>
#include <mutex>
#include <optional>

#include "client/shmemctl/follow.h"
#include "client/shmemctl/pictures.h"
#include "shmemd/watcher.h"

namespace shmemd::shmemctl {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kLeastPause{200};
// Counts that make no event of their own, such as those of a relay's traffic.
constexpr milliseconds kMostPause{5'000};
constexpr milliseconds kPauseOfSeveral{2'000};

// Tells that something changed, or why nothing is told.
class ChangeNotice : public client::WatchSink {
 public:
  explicit ChangeNotice(Follow* follow) : follow_(follow) {}

  void OnSynced(int64_t) override { Connected(); }
  void OnChange(const client::v1::Change&, int64_t) override { Connected(); }
  void OnBookmark(int64_t) override { Connected(); }
  bool OnBroken(const absl::Status& status, milliseconds retry_in) override {
    const std::lock_guard lock(mutex_);
    broken_ = status;
    // Who was never there is not waited for.
    ended_ = !connected_ || !WatchSink::OnBroken(status, retry_in);
    follow_->Notify();
    return !ended_;
  }

  struct State {
    bool connected = false;  // ever
    bool ended = false;
    absl::Status broken;  // OK: the connection is there
  };
  State state() const {
    const std::lock_guard lock(mutex_);
    return {.connected = connected_, .ended = ended_, .broken = broken_};
  }

 private:
  void Connected() {
    const std::lock_guard lock(mutex_);
    connected_ = true;
    broken_ = absl::OkStatus();
    follow_->Notify();
  }

  Follow* follow_;
  mutable std::mutex mutex_;
  bool connected_ = false;
  bool ended_ = false;
  absl::Status broken_;
};

ExitCode WatchOne(Context& context, Follow& follow, const Sources& sources, const std::string& parent,
                  const Show& show) {
  const client::Client& client = sources.front().client;
  ChangeNotice notice(&follow);
  client::Watcher watcher(
      client, {.parent = parent, .changes_only = true, .silence_limit = milliseconds(45'000)}, &notice);
  Pictures pictures(context);
  // Who says nothing at first is given up like any call that is not answered.
  Follow::Wake wake = follow.Wait(context.timeout());
  while (wake == Follow::Wake::kResize) wake = follow.Wait(context.timeout());
  if (wake == Follow::Wake::kTimeout) {
    return context.Fail(absl::DeadlineExceededError("no answer"), context.asked());
  }
  while (wake != Follow::Wake::kEnd) {
    const ChangeNotice::State state = notice.state();
    if (state.ended) return context.Fail(state.broken, context.asked());
    absl::Status status = state.broken;
    if (status.ok()) {
      follow.Await([&] { status = pictures.Take(sources, show).status(); });
      // What was never shown is a mistake of whoever asked.
      if (!status.ok() && (!pictures.any() || !client::MayHeal(status))) {
        return context.Fail(status, context.asked());
      }
    }
    follow.Await([&] {
      if (!status.ok()) pictures.Broken(status);
      context.Flush();
    });
    if (!context.Flush()) return ExitCode::kGeneric;
    wake = follow.Wait(kMostPause);
    if (wake == Follow::Wake::kNews && follow.EndsWithin(kLeastPause)) break;
  }
  return ExitCode::kOk;
}

// Of several some may come and go: all are asked again and again.
ExitCode WatchSeveral(Context& context, Follow& follow, const Sources& sources, const Show& show) {
  Pictures pictures(context);
  do {
    absl::StatusOr<ExitCode> code = ExitCode::kOk;
    follow.Await([&] {
      code = pictures.Take(sources, show);
      context.Flush();
    });
    if (!code.ok()) return context.Fail(code.status());
    if (*code == ExitCode::kUsage) return *code;
    if (!context.Flush()) return ExitCode::kGeneric;
  } while (follow.Wait(kPauseOfSeveral) != Follow::Wake::kEnd);
  return ExitCode::kOk;
}

}  // namespace

void AddWatchFlag(CLI::App* command, bool* watch) {
  command->add_flag("-w,--watch", *watch,
                    "Show it again whenever it changes: on a terminal in place, else as lines of JSON");
}

ExitCode ShowOrWatch(Context& context, bool watch, const std::string& parent, const Show& show) {
  std::optional<Follow> follow;
  if (watch) {
    const absl::Status possible = context.FollowOn();
    if (!possible.ok()) return context.Fail(possible);
    // Before there are threads: those of gRPC shall not take our signals.
    follow.emplace(context.on_terminal());
  }
  const auto sources = context.Sources();
  if (!sources.ok()) return context.Fail(sources.status());
  if (follow && context.several()) return WatchSeveral(context, *follow, *sources, show);
  if (follow) return WatchOne(context, *follow, *sources, parent, show);
  const auto code = show(context, *sources);
  return code.ok() ? *code : context.Fail(code.status(), context.asked());
}

}  // namespace shmemd::shmemctl
