#include "client/shmemctl/show.h"

#include <absl/strings/str_cat.h>
#include <absl/time/clock.h>
#include <absl/time/time.h>

#include <chrono>
#include <cstdio>
#include <mutex>
#include <optional>
#include <utility>

#include "client/print/screen.h"
#include "client/shmemctl/follow.h"
#include "shmemd/watcher.h"

namespace shmemd::shmemctl {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kLeastPause{200};
// Counts that make no event of their own, such as those of a relay's traffic.
constexpr milliseconds kMostPause{5'000};

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

// One picture after the other, where they go.
class Pictures {
 public:
  explicit Pictures(Context& context) : context_(context) {}

  // What `show` printed, or the error that it met.
  absl::StatusOr<ExitCode> Take(const client::Client& client, const Show& show) {
    std::string text;
    context_.Capture(&text);
    auto code = show(context_, client);
    context_.Capture(nullptr);
    if (!code.ok()) return code;
    if (context_.on_terminal()) {
      Draw(absl::FormatTime("%H:%M:%S UTC, Ctrl-C ends", absl::Now(), absl::UTCTimeZone()), text);
    } else if (text != last_) {
      context_.Print(text);
    }
    last_ = std::move(text);
    any_ = true;
    return code;
  }
  bool any() const { return any_; }

  void Broken(const absl::Status& status) {
    const std::string what =
        absl::StrCat("connection lost, trying again: ", DescribeError(status, context_.asked()));
    if (context_.on_terminal()) {
      Draw(what, last_);
    } else if (what != noted_) {
      context_.Note(absl::StrCat("shmemctl: ", what));
    }
    noted_ = what;
  }

 private:
  void Draw(const std::string& title, const std::string& text) {
    context_.Print(screen_.Draw(absl::StrCat(title, "\n\n", text), client::RowsOf(fileno(stdout))));
  }

  Context& context_;
  client::Screen screen_;
  std::string last_;
  std::string noted_;
  bool any_ = false;
};

ExitCode Watch(Context& context, const std::string& parent, const Show& show) {
  Follow follow;
  const auto connected = context.Connect(Role::kInspector);
  if (!connected.ok()) return context.Fail(connected.status());
  const client::Client client = connected->WithTimeout(context.timeout());
  ChangeNotice notice(&follow);
  client::Watcher watcher(
      client, {.parent = parent, .changes_only = true, .silence_limit = milliseconds(45'000)}, &notice);
  Pictures pictures(context);
  // Who says nothing at first is given up like any call that is not answered.
  Follow::Wake wake = follow.Wait(context.timeout());
  if (wake == Follow::Wake::kTimeout) {
    return context.Fail(absl::DeadlineExceededError("no answer"), context.asked());
  }
  while (wake != Follow::Wake::kEnd) {
    const ChangeNotice::State state = notice.state();
    if (state.ended) return context.Fail(state.broken, context.asked());
    absl::Status status = state.broken;
    if (status.ok()) {
      const auto code = pictures.Take(client, show);
      status = code.status();
      // What was never shown is a mistake of whoever asked.
      if (!status.ok() && (!pictures.any() || !client::MayHeal(status))) {
        return context.Fail(status, context.asked());
      }
    }
    if (!status.ok()) pictures.Broken(status);
    std::fflush(stdout);
    if (follow.EndsWithin(std::chrono::milliseconds(0))) Follow::EndAtOnce();
    if (std::ferror(stdout) != 0) return ExitCode::kGeneric;
    wake = follow.Wait(kMostPause);
    if (wake == Follow::Wake::kNews && follow.EndsWithin(kLeastPause)) break;
  }
  return ExitCode::kOk;
}

}  // namespace

void AddWatchFlag(CLI::App* command, bool* watch) {
  command->add_flag("-w,--watch", *watch,
                    "Show it again whenever it changes: on a terminal in place, else as lines of JSON");
}

ExitCode ShowOrWatch(Context& context, bool watch, const std::string& parent, const Show& show) {
  if (watch) {
    const absl::Status possible = context.FollowOn();
    return possible.ok() ? Watch(context, parent, show) : context.Fail(possible);
  }
  const auto client = context.Connect(Role::kInspector);
  if (!client.ok()) return context.Fail(client.status());
  const auto code = show(context, *client);
  return code.ok() ? *code : context.Fail(code.status(), context.asked());
}

}  // namespace shmemd::shmemctl
