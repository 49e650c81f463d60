#include "client/shmemctl/follow_events.h"

#include <absl/strings/str_cat.h>

#include <cstdio>
#include <mutex>
#include <optional>
#include <string>

#include "client/print/event_printer.h"
#include "client/shmemctl/follow.h"
#include "shmemd/watcher.h"

namespace shmemd::shmemctl {
namespace {

namespace v1 = ::vhost::shmem::v1;

// Prints on the watcher's thread: where nobody reads what is printed, the server does not go on either.
class EventTail : public client::WatchSink {
 public:
  EventTail(Context& context, client::Client client, v1::ListEventsRequest request, Follow* follow)
      : context_(context), client_(std::move(client)), request_(std::move(request)), follow_(follow) {}

  void OnSnapshotBegin(client::SnapshotReason) override { gap_ = true; }

  void OnSynced(int64_t) override { CatchUp(); }
  void OnChange(const v1::Change& change, int64_t) override {
    if (behind_) CatchUp();
    if (!behind_) Print(change.event());
  }
  void OnBookmark(int64_t) override {
    if (behind_) CatchUp();
  }

  bool OnBroken(const absl::Status& status, std::chrono::milliseconds retry_in) override {
    const bool go_on = connected_ && WatchSink::OnBroken(status, retry_in);
    if (!go_on) {
      End(status);
    } else if (retry_in > std::chrono::milliseconds(1000)) {
      context_.Note(
          absl::StrCat("shmemctl: connection lost, trying again: ", DescribeError(status, context_.asked())));
    }
    return go_on;
  }

  // Why nothing comes any more; OK while it does.
  absl::Status ended() const {
    const std::lock_guard lock(mutex_);
    return ended_;
  }
  bool connected() const {
    const std::lock_guard lock(mutex_);
    return connected_;
  }

 private:
  // What happened before, or while nothing was told: from the list, as far as it is kept. The connection may
  // break here, too: then whatever is told next is reason to try again.
  void CatchUp() {
    const auto server = client_.GetServerInfo();
    behind_ = !server.ok();
    if (behind_) return EndUnlessItHeals(server.status());
    NoteGap(server->start_time().SerializeAsString());
    const absl::Status listed = client_.ForEachEvent(request_, [this](v1::Event& event) {
      Print(event);
      return true;
    });
    behind_ = !listed.ok();
    if (behind_) return EndUnlessItHeals(listed);
    const std::lock_guard lock(mutex_);
    connected_ = true;
  }

  void NoteGap(const std::string& start) {
    if (start_ && start != *start_) {
      context_.Note("shmemctl: shmemd was started anew; what happened in between is lost");
      last_ = 0;
    } else if (gap_) {
      context_.Note("shmemctl: events may be missing here");
    }
    start_ = start;
    gap_ = false;
  }

  void EndUnlessItHeals(const absl::Status& status) {
    if (!connected() || !client::MayHeal(status)) End(status);
  }

  void Print(const v1::Event& event) {
    if (event.revision() <= last_) return;
    last_ = event.revision();
    if (context_.json_lines()) {
      context_.PrintMessage(event);
    } else {
      context_.Print(client::RenderEventLine(event, context_.style()));
    }
    std::fflush(stdout);
  }

  void End(const absl::Status& status) {
    const std::lock_guard lock(mutex_);
    ended_ = status;
    follow_->Notify();
  }

  Context& context_;
  const client::Client client_;
  const v1::ListEventsRequest request_;
  Follow* const follow_;

  // Of the watcher's thread alone.
  std::optional<std::string> start_;  // of the shmemd that numbered what was printed
  int64_t last_ = 0;                  // revision of what was printed last
  bool gap_ = false;
  bool behind_ = false;  // the list was not read to its end

  mutable std::mutex mutex_;  // of all below
  bool connected_ = false;    // ever
  absl::Status ended_;
};

client::WatchOptions OptionsOf(const v1::ListEventsRequest& request) {
  client::WatchOptions options{.parent = request.parent(), .changes_only = true};
  for (const int type : request.types()) options.types.push_back(static_cast<v1::Event::Type>(type));
  return options;
}

}  // namespace

ExitCode FollowEvents(Context& context, const v1::ListEventsRequest& request) {
  const absl::Status possible = context.FollowOn();
  if (!possible.ok()) return context.Fail(possible);
  Follow follow;
  const auto connected = context.Connect(Role::kInspector);
  if (!connected.ok()) return context.Fail(connected.status());
  const client::Client client = connected->WithTimeout(context.timeout());
  EventTail tail(context, client, request, &follow);
  client::Watcher watcher(client, OptionsOf(request), &tail);
  while (true) {
    const Follow::Wake wake = follow.Wait(context.timeout());
    if (const absl::Status ended = tail.ended(); !ended.ok()) return context.Fail(ended, context.asked());
    if (wake == Follow::Wake::kTimeout && !tail.connected()) {
      return context.Fail(absl::DeadlineExceededError("no answer"), context.asked());
    }
    // The watcher's thread may wait for a reader of our output that never reads. All lines are flushed.
    if (wake == Follow::Wake::kEnd || follow.EndsWithin(std::chrono::milliseconds(0))) follow.EndAtOnce();
    if (std::ferror(stdout) != 0) return ExitCode::kGeneric;
  }
}

}  // namespace shmemd::shmemctl
