// shmemd: the sidecar, everything in one process.
#include <absl/strings/str_split.h>
#include <grpc/support/log.h>
#include <signal.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>
#include <sys/resource.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <iostream>
#include <string>

#include "server/app/command_line.h"
#include "server/app/config_text.h"
#include "server/app/service_notice.h"
#include "server/app/shmemd_app.h"
#include "server/app/version.h"
#include "server/base/clock.h"

namespace {

// What the end takes beyond timeouts.shutdown, far more than it ever did.
constexpr int64_t kMostEndMs = 20'000;

// Each back-end needs a few descriptors and each mapping under way one more: the soft limit is made for
// select(). Says for the log what it came to.
std::string RaiseDescriptorLimit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return std::string("file descriptors: ") + std::strerror(errno);
  const std::string before = std::to_string(limit.rlim_cur);
  limit.rlim_cur = limit.rlim_max;
  if (setrlimit(RLIMIT_NOFILE, &limit) == 0)
    return "file descriptors: at most " + std::to_string(limit.rlim_max) + " (was " + before + ")";
  return "file descriptors: at most " + before + ", and no more: " + std::strerror(errno);
}

// gRPC writes a line for each handshake that fails, and anybody can make those: one a second is enough. A
// function of C without a context, hence the static.
void LogOfGrpc(gpr_log_func_args* line) {
  static std::atomic<int64_t> next_ns{0};
  constexpr int64_t kPauseNs = 1'000'000'000;
  const int64_t now_ns = shmemd::base::MonotonicNanos();
  int64_t due_ns = next_ns.load();
  if (now_ns < due_ns || !next_ns.compare_exchange_strong(due_ns, now_ns + kPauseNs)) return;
  spdlog::warn("gRPC: {}", line->message);
}

void StartLog(const std::string& level) {
  gpr_set_log_function(&LogOfGrpc);
  spdlog::set_default_logger(spdlog::stderr_logger_mt("shmemd"));
  spdlog::set_pattern("%Y-%m-%dT%H:%M:%S.%e%z %l %v");
  spdlog::set_level(spdlog::level::from_str(level));
}

// Blocked before any thread starts, so that only main takes them.
sigset_t BlockSignals() {
  sigset_t signals;
  sigemptyset(&signals);
  for (const int number : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&signals, number);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  return signals;
}

// Reads the configuration again with each SIGHUP; returns with the signal to end.
int Serve(const sigset_t& signals, int argc, char** argv, shmemd::app::ShmemdApp& app) {
  int number = 0;
  while (sigwait(&signals, &number) == 0 && number == SIGHUP) {
    spdlog::info("SIGHUP: reading the configuration again");
    shmemd::app::NoticeReloading();
    const absl::StatusOr<shmemd::app::Config> config = shmemd::app::ReadConfigAgain(argc, argv);
    if (config.ok()) {
      app.Reload(*config);
      shmemd::app::NoticeReady("serves");
    } else {
      spdlog::error("reload refused, nothing is changed: {}", std::string(config.status().message()));
      shmemd::app::NoticeReady("serves; the last reload was refused, see the log");
    }
  }
  return number;
}

// Whether there was another signal to end; does not wait.
bool EndIsPending(const sigset_t& signals) {
  constexpr timespec kNow{0, 0};
  int number = 0;
  do {
    number = sigtimedwait(&signals, nullptr, &kNow);
  } while (number == SIGHUP);
  return number > 0;
}

int Refuse(const absl::Status& status) {
  std::cerr << "shmemd: " << status.message() << "\n";
  return 1;
}

}  // namespace

int main(int argc, char** argv) {
  const shmemd::app::ParsedCommandLine line = shmemd::app::ParseCommandLine(argc, argv);
  if (!line.run) return line.exit_code;
  const shmemd::app::Config& config = line.run->config;
  if (line.run->check_only) {
    if (const absl::Status status = shmemd::app::ShmemdApp::Check(config); !status.ok())
      return Refuse(status);
    std::cout << shmemd::app::DescribeConfig(config);
    return 0;
  }
  StartLog(config.log_level);
  signal(SIGPIPE, SIG_IGN);
  const sigset_t signals = BlockSignals();
  const std::string descriptors = RaiseDescriptorLimit();

  auto app = shmemd::app::ShmemdApp::Start(config);
  if (!app.ok()) return Refuse(app.status());
  spdlog::info("shmemd {} serves", shmemd::app::kVersion);
  spdlog::info(descriptors);
  const std::string summary = (*app)->Summary();
  for (const absl::string_view text : absl::StrSplit(summary, '\n')) {
    spdlog::info("{}", std::string(text));
  }
  shmemd::app::NoticeReady("serves");
  const int end_signal = Serve(signals, argc, argv, **app);
  spdlog::info("{}: ending; another one ends at once", end_signal == SIGTERM ? "SIGTERM" : "SIGINT");
  shmemd::app::NoticeStopping(config.shutdown_timeout_ms + kMostEndMs);
  (*app)->Drain([&signals] { return EndIsPending(signals); });
  app->reset();
  spdlog::info("ended");
  return 0;
}
