#include "client/shmemctl/follow_events.h"

#include <absl/strings/str_cat.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "client/print/event_printer.h"
#include "client/print/structured.h"
#include "client/shmemctl/follow.h"
#include "client/shmemctl/reading.h"
#include "shmemd/watcher.h"

namespace shmemd::shmemctl {
namespace {

namespace v1 = ::vhost::shmem::v1;

using Clock = std::chrono::steady_clock;

// Prints on the watcher's thread: where nobody reads what is printed, the server does not go on either.
class EventTail : public client::WatchSink {
 public:
  // `output` is held while something is printed: there may be other tails.
  EventTail(Context& context, const Source& source, v1::ListEventsRequest request, Follow* follow,
            std::mutex* output)
      : context_(context), source_(source), request_(std::move(request)), follow_(follow), output_(output) {}

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
    const bool go_on = WatchSink::OnBroken(status, retry_in) && (connected() || context_.several());
    if (!go_on) {
      End(status);
    } else if (!connected()) {
      NotYet(status);
    } else if (retry_in > std::chrono::milliseconds(1000)) {
      Note(absl::StrCat("connection lost, trying again: ", DescribeError(status, source_.endpoint)));
    }
    return go_on;
  }

  // Why nothing comes any more; OK while it does.
  absl::Status ended() const {
    const std::lock_guard lock(mutex_);
    return ended_;
  }
  // Why nothing came so far, though it is tried again; OK: it was not tried, or something came.
  absl::Status not_yet() const {
    const std::lock_guard lock(mutex_);
    return connected_ ? absl::OkStatus() : not_yet_;
  }
  bool connected() const {
    const std::lock_guard lock(mutex_);
    return connected_;
  }

 private:
  // What happened before, or while nothing was told: from the list, as far as it is kept. The connection may
  // break here, too: then whatever is told next is reason to try again.
  void CatchUp() {
    const auto server = source_.client.GetServerInfo();
    behind_ = !server.ok();
    if (behind_) return EndUnlessItHeals(server.status());
    NoteGap(server->start_time().SerializeAsString());
    const absl::Status listed = source_.client.ForEachEvent(request_, [this](v1::Event& event) {
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
      Note(absl::StrCat(Named(), "shmemd was started anew; what happened in between is lost"));
      last_ = 0;
    } else if (gap_) {
      Note(absl::StrCat(Named(), "events may be missing here"));
    }
    start_ = start;
    gap_ = false;
  }

  void EndUnlessItHeals(const absl::Status& status) {
    const bool heals = client::MayHeal(status);
    if (!heals || (!connected() && !context_.several())) {
      End(status);
    } else if (!connected()) {
      NotYet(status);
    }
  }

  void Print(const v1::Event& event) {
    if (event.revision() <= last_) return;
    last_ = event.revision();
    const std::lock_guard lock(*output_);
    if (!context_.json_lines()) {
      context_.Print(client::RenderEventLine(event, context_.style(), source_.label));
    } else if (context_.several()) {
      context_.PrintJson(AnswerJson(source_, client::ToJson(event)));
    } else {
      context_.PrintMessage(event);
    }
    context_.Flush();
  }

  void Note(const std::string& text) {
    const std::lock_guard lock(*output_);
    context_.Note(absl::StrCat("shmemctl: ", text));
  }

  // Who tells it, where there are several.
  std::string Named() const { return context_.several() ? absl::StrCat(source_.endpoint.text(), ": ") : ""; }

  void End(const absl::Status& status) {
    const std::lock_guard lock(mutex_);
    ended_ = status;
    follow_->Notify();
  }

  void NotYet(const absl::Status& status) {
    const std::lock_guard lock(mutex_);
    not_yet_ = status;
    follow_->Notify();
  }

  Context& context_;
  const Source& source_;
  const v1::ListEventsRequest request_;
  Follow* const follow_;
  std::mutex* const output_;

  // Of the watcher's thread alone.
  std::optional<std::string> start_;  // of the shmemd that numbered what was printed
  int64_t last_ = 0;                  // revision of what was printed last
  bool gap_ = false;
  bool behind_ = false;  // the list was not read to its end

  mutable std::mutex mutex_;  // of all below
  bool connected_ = false;    // ever
  absl::Status not_yet_;
  absl::Status ended_;
};

client::WatchOptions OptionsOf(const v1::ListEventsRequest& request) {
  client::WatchOptions options{.parent = request.parent(), .changes_only = true};
  for (const int type : request.types()) options.types.push_back(static_cast<v1::Event::Type>(type));
  return options;
}

struct Tail {
  std::unique_ptr<EventTail> events;
  std::unique_ptr<client::Watcher> watcher;
  bool named = false;  // as one that does not answer
  bool over = false;
};

// Names those that ended, and once those that do not answer (yet). How many may still tell something: of
// several all that are tried again, unless none of them ever answered.
size_t Bury(Context& context, const Sources& sources, std::vector<Tail>& tails, bool late,
            std::mutex* output) {
  size_t left = 0;
  size_t waiting = 0;
  for (size_t i = 0; i < tails.size(); ++i) {
    Tail& tail = tails[i];
    if (tail.over) continue;
    const absl::Status ended = tail.events->ended();
    absl::Status why = ended.ok() ? tail.events->not_yet() : ended;
    if (why.ok() && late && !tail.events->connected()) why = absl::DeadlineExceededError("no answer");
    // While nobody reads what is printed, nothing more is said.
    std::unique_lock lock(*output, std::defer_lock);
    if (why.ok() || (!tail.named && !lock.try_lock())) {
      ++left;
      continue;
    }
    if (!tail.named) context.Note(absl::StrCat("shmemctl: ", DescribeError(why, sources[i].endpoint)));
    tail.named = true;
    tail.over = !ended.ok();
    waiting += tail.over ? 0 : 1;
  }
  const bool any =
      std::any_of(tails.begin(), tails.end(), [](const Tail& tail) { return tail.events->connected(); });
  return any && context.several() ? left + waiting : left;
}

ExitCode CodeOf(const Context& context, const std::vector<Tail>& tails) {
  if (context.several()) return ExitCode::kUnreachable;
  const absl::Status ended = tails.front().events->ended();
  return ended.ok() ? ExitCode::kTimeout : ExitCodeOf(ended);
}

}  // namespace

ExitCode FollowEvents(Context& context, const v1::ListEventsRequest& request) {
  const absl::Status possible = context.FollowOn();
  if (!possible.ok()) return context.Fail(possible);
  Follow follow(context.on_terminal());
  const auto sources = context.Sources();
  if (!sources.ok()) return context.Fail(sources.status());
  std::mutex output;
  std::vector<Tail> tails(sources->size());
  for (size_t i = 0; i < tails.size(); ++i) {
    const Source& source = (*sources)[i];
    tails[i].events = std::make_unique<EventTail>(context, source, request, &follow, &output);
    tails[i].watcher =
        std::make_unique<client::Watcher>(source.client, OptionsOf(request), tails[i].events.get());
  }
  constexpr std::chrono::milliseconds kLong{60'000};
  const auto late = Clock::now() + context.timeout();
  while (true) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(late - Clock::now());
    const Follow::Wake wake = follow.Wait(left.count() > 0 ? left : kLong);
    // The watcher's thread may wait for a reader of our output that never reads. All lines are flushed.
    if (wake == Follow::Wake::kEnd || follow.EndsWithin(std::chrono::milliseconds(0))) follow.EndAtOnce();
    const bool is_late = Clock::now() >= late;
    if (Bury(context, *sources, tails, is_late, &output) == 0) return CodeOf(context, tails);
    if (std::ferror(stdout) != 0) return ExitCode::kGeneric;
  }
}

}  // namespace shmemd::shmemctl
