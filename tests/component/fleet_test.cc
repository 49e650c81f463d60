// Two hundred back-ends in one shmemd: each is served soon, and what that costs is bounded.
#include <gmock/gmock.h>

#include "tests/component/shmemd_view.h"
#include "tests/peers/backend_thread.h"
#include "tests/peers/script.h"

namespace shmemd::component {
namespace {

using testing::Optional;

constexpr size_t kBackends = 200;

size_t EntryCount(const char* what, pid_t pid) {
  size_t count = 0;
  for ([[maybe_unused]] const auto& entry :
       std::filesystem::directory_iterator("/proc/" + std::to_string(pid) + "/" + what)) {
    ++count;
  }
  return count;
}

TEST(Fleet, TwoHundredBackendsAreServedSoonAndWithinBounds) {
  const peers::TemporaryDirectory directory;
  std::vector<std::unique_ptr<peers::BackendThread>> backends;
  std::ofstream config(directory.path() + "/shmemd.yaml");
  config << "backends:\n";
  for (size_t i = 0; i < kBackends; ++i) {
    backends.push_back(std::make_unique<peers::BackendThread>(peers::DefaultScript()));
    config << "  - {id: demo" << i << ", mode: frontend, backend: {connect: " << backends[i]->socket_path()
           << "}}\n";
  }
  config.close();

  app::ShmemdProcess shmemd(directory.path() + "/run", {"--config", directory.path() + "/shmemd.yaml"});
  const ShmemdView view(shmemd);
  const auto all_active = [&view] {
    const std::vector<v1::Backend> listed = view.Backends();
    return listed.size() == kBackends && std::all_of(listed.begin(), listed.end(), [](const v1::Backend& b) {
             return b.state() == v1::Backend::ACTIVE && b.totals().region_count() == 3;
           });
  };
  const int64_t took_ms = MillisecondsUntil(all_active, std::chrono::seconds(5 * kSlowdown));
  EXPECT_GE(took_ms, 0) << "not all active within " << 5 * kSlowdown << " s";
  testing::Test::RecordProperty("all_active_ms", static_cast<int>(took_ms));

  // Each is followed, not only counted.
  const auto all_mapped = [&view] {
    const std::vector<v1::Backend> listed = view.Backends();
    return std::all_of(listed.begin(), listed.end(),
                       [](const v1::Backend& b) { return b.totals().mapping_count() >= 6; });
  };
  EXPECT_GE(MillisecondsUntil(all_mapped, std::chrono::seconds(20 * kSlowdown)), 0);

  const pid_t pid = shmemd.process().pid();
  const size_t busy_fds = EntryCount("fd", pid);
  EXPECT_LE(busy_fds, kBackends * 3 + 64);
  EXPECT_LE(EntryCount("task", pid), 48u) << "threads must not grow with back-ends";
  testing::Test::RecordProperty("fds", static_cast<int>(busy_fds));

  backends.clear();
  const auto none_up = [&view] {
    const std::vector<v1::Backend> listed = view.Backends();
    return listed.size() == kBackends && std::none_of(listed.begin(), listed.end(), [](const v1::Backend& b) {
             return b.state() == v1::Backend::ACTIVE || b.totals().mapped_bytes() > 0;
           });
  };
  EXPECT_GE(MillisecondsUntil(none_up, std::chrono::seconds(5 * kSlowdown)), 0);
  EXPECT_GE(MillisecondsUntil([&] { return EntryCount("fd", pid) < 64; }, std::chrono::seconds(10)), 0)
      << EntryCount("fd", pid) << " descriptors are left of " << busy_fds;
  EXPECT_THAT(shmemd.End(SIGTERM), Optional(0));
}

}  // namespace
}  // namespace shmemd::component
