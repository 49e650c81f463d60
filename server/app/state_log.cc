#include "server/app/state_log.h"

#include <absl/strings/str_cat.h>
#include <spdlog/spdlog.h>

#include <chrono>
#include <vector>

#include "server/base/clock.h"
#include "server/base/thread_name.h"
#include "server/convert/backend.h"

namespace shmemd::app {
namespace {

constexpr auto kPause = std::chrono::milliseconds(100);
constexpr int64_t kLookAtLeastEveryNs = 500'000'000;

std::string FindingWords(const state::Backend& backend, const state::Finding& finding) {
  const std::string where =
      finding.shmid == state::kWholeBackend ? "" : absl::StrCat(" shmid ", finding.shmid);
  return absl::StrCat("back-end ", backend.spec().id, where, ": ",
                      std::string(state::FindingCodeName(finding.code)), ": ",
                      state::FindingSummary(finding));
}

}  // namespace

StateLog::StateLog(const feed::Hub& hub) : hub_(hub), thread_([this] { Run(); }) {}

StateLog::~StateLog() {
  {
    base::MutexLock lock(mutex_);
    end_ = true;
  }
  ending_.notify_all();
  thread_.join();
}

void StateLog::Run() {
  base::NameThisThread("state-log");
  uint64_t revision = Look();
  while (Wait(revision)) revision = Look();
  Look();
}

bool StateLog::Wait(uint64_t seen_revision) {
  hub_.WaitForChange(seen_revision, base::MonotonicNanos() + kLookAtLeastEveryNs);
  base::MutexLock lock(mutex_);
  if (!end_) ending_.wait_for(mutex_, kPause);
  return !end_;
}

uint64_t StateLog::Look() {
  std::vector<std::pair<bool, std::string>> lines;  // whether it is a warning, and the words
  uint64_t revision = 0;
  hub_.Read([&](const feed::ReplicaView& view) {
    revision = view.revision;
    absl::flat_hash_map<std::string, Seen> before;
    before.swap(seen_);
    for (const auto& [id, backend] : view.backends) {
      // What is not moved over was detached.
      if (const auto seen = before.find(backend->uid()); seen != before.end())
        seen_[backend->uid()] = std::move(seen->second);
      LookAt(*backend, lines);
    }
  });
  for (const auto& [warning, words] : lines) {
    spdlog::log(warning ? spdlog::level::warn : spdlog::level::info, "{}", words);
  }
  return revision;
}

void StateLog::LookAt(const state::Backend& backend, std::vector<std::pair<bool, std::string>>& lines) {
  Seen& seen = seen_[backend.uid()];
  const state::BackendStatus& status = backend.status();
  if (status.state != seen.state || status.cause != seen.cause || status.epoch != seen.epoch) {
    const std::string why = convert::CauseWords(status.cause);
    const bool bad =
        status.state == state::BackendState::kFailed || status.state == state::BackendState::kDisconnected;
    lines.emplace_back(
        bad, absl::StrCat("back-end ", backend.spec().id, ": ", state::BackendStateName(status.state),
                          why.empty() ? "" : ": ", why));
    seen.state = status.state;
    seen.cause = status.cause;
    seen.epoch = status.epoch;
  }
  for (const auto& [key, finding] : backend.findings()) {
    if (!finding.open || state::FindingSeverity(finding.code) == state::Severity::kInfo) continue;
    const auto [entry, is_new] = seen.finding_epochs.try_emplace(key, finding.epoch);
    if (!is_new && entry->second == finding.epoch) continue;
    entry->second = finding.epoch;
    lines.emplace_back(true, FindingWords(backend, finding));
  }
}

}  // namespace shmemd::app
