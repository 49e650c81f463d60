// One side is killed while the other lives: what the survivor shows, and that all comes back.
#include <gmock/gmock.h>

#include "tests/component/shmemd_view.h"
#include "tests/peers/backend_thread.h"
#include "tests/peers/script.h"

namespace shmemd::component {
namespace {

using testing::Optional;

constexpr std::chrono::seconds kPatience{30};
const std::map<int, int64_t> kSizes = {{0, 64 << 20}, {2, 16 << 20}, {5, 4 << 20}};

bool IsZeroEverywhere(const std::map<int, int64_t>& values) {
  return !values.empty() &&
         std::all_of(values.begin(), values.end(), [](const auto& entry) { return entry.second == 0; });
}

// ACTIVE, with something mapped into each of the demo's regions, by gRPC and by HTTP.
bool IsFollowed(const ShmemdView& view, const std::string& id) {
  const std::map<int, int64_t> mapped = view.Scraped("vhost_shmem_mapped_bytes", id);
  return view.Backend(id).state() == v1::Backend::ACTIVE && view.ListedBytes(id).size() == kSizes.size() &&
         mapped.size() == kSizes.size() &&
         std::all_of(mapped.begin(), mapped.end(), [](const auto& entry) { return entry.second > 0; });
}

// Neither side shows anything of it but its sizes.
bool IsShownLost(const ShmemdView& view, const std::string& id) {
  const v1::Backend backend = view.Backend(id);
  const bool by_grpc = backend.state() == v1::Backend::DISCONNECTED && backend.totals().mapped_bytes() == 0 &&
                       view.ListedBytes(id).empty();
  return by_grpc && view.Scraped("vhost_shmem_backend_up", id) == std::map<int, int64_t>{{-1, 0}} &&
         IsZeroEverywhere(view.Scraped("vhost_shmem_mapped_bytes", id)) &&
         view.Scraped("vhost_shmem_region_size_bytes", id) == kSizes;
}

TEST(LostPeer, AKilledBackendIsShownLostWithinASecondAndComesBack) {
  const peers::TemporaryDirectory directory;
  const std::string socket = directory.path() + "/gpu0.sock";
  const std::string program = SHMEMD_BIN_DIR "/shmem-demo-backend";
  auto backend =
      std::make_unique<peers::BackendProcess>(program, std::vector<std::string>{"--socket", socket});
  ASSERT_TRUE(backend->transcript().WaitFor("listening", kPatience));
  app::ShmemdProcess shmemd(directory.path() + "/run", {"--frontend", "gpu0=" + socket});
  const ShmemdView view(shmemd);
  ASSERT_GE(MillisecondsUntil([&] { return IsFollowed(view, "gpu0"); }, kPatience), 0);
  const int64_t epoch = view.Backend("gpu0").connection_epoch();

  backend->Signal(SIGKILL);
  const int64_t took_ms =
      MillisecondsUntil([&] { return IsShownLost(view, "gpu0"); }, std::chrono::seconds(kSlowdown));
  EXPECT_GE(took_ms, 0) << view.Backend("gpu0").DebugString();
  testing::Test::RecordProperty("shown_lost_ms", static_cast<int>(took_ms));
  EXPECT_THAT(backend->WaitForExit(), Optional(128 + SIGKILL));

  backend = std::make_unique<peers::BackendProcess>(program, std::vector<std::string>{"--socket", socket});
  EXPECT_GE(MillisecondsUntil([&] { return IsFollowed(view, "gpu0"); }, kPatience), 0);
  EXPECT_EQ(view.Backend("gpu0").connection_epoch(), epoch + 1);
  EXPECT_EQ(view.Scraped("vhost_shmem_region_size_bytes", "gpu0"), kSizes);
  EXPECT_EQ(view.Scraped("vhost_shmem_backend_connects_total", "gpu0"),
            (std::map<int, int64_t>{{-1, epoch + 1}}));
  EXPECT_THAT(shmemd.End(SIGTERM), Optional(0));
}

// It keeps what it shows of a dead back-end until a new one answers.
TEST(LostPeer, ItStaysDisconnectedWhileNobodyAnswers) {
  const peers::TemporaryDirectory directory;
  peers::BackendThread backend(peers::DefaultScript());
  app::ShmemdProcess shmemd(directory.path() + "/run", {"--frontend", "gpu0=" + backend.socket_path(),
                                                        "--reconnect-min", "1ms", "--reconnect-max", "5ms"});
  const ShmemdView view(shmemd);
  ASSERT_GE(MillisecondsUntil([&] { return IsFollowed(view, "gpu0"); }, kPatience), 0);
  backend.Stop();
  ASSERT_GE(MillisecondsUntil([&] { return IsShownLost(view, "gpu0"); }, kPatience), 0);
  // Many tries to connect later nothing else is shown.
  for (int i = 0; i < 20; ++i) EXPECT_TRUE(IsShownLost(view, "gpu0")) << view.Backend("gpu0").DebugString();
}

TEST(LostPeer, AKilledShmemdIsReplacedWhileBackendsLive) {
  const peers::TemporaryDirectory directory;
  std::vector<std::unique_ptr<peers::BackendThread>> backends;
  std::vector<std::string> flags;
  const std::vector<std::string> ids = {"gpu0", "gpu1", "gpu2"};
  for (const std::string& id : ids) {
    backends.push_back(std::make_unique<peers::BackendThread>(peers::DefaultScript()));
    flags.insert(flags.end(), {"--frontend", id + "=" + backends.back()->socket_path()});
  }
  std::string metrics_address;
  std::string first_uid;
  for (int life = 0; life < 3; ++life) {
    if (life == 1) flags.insert(flags.end(), {"--metrics-listen", metrics_address});
    app::ShmemdProcess shmemd(directory.path() + "/run", flags);
    metrics_address = shmemd.metrics_address();
    const ShmemdView view(shmemd);
    for (const std::string& id : ids) {
      EXPECT_GE(MillisecondsUntil([&] { return IsFollowed(view, id); }, kPatience), 0)
          << id << ", life " << life;
      EXPECT_EQ(view.Scraped("vhost_shmem_region_size_bytes", id), kSizes) << id;
      EXPECT_EQ(view.Backend(id).connection_epoch(), 1) << id << ": a new process counts anew";
    }
    EXPECT_NE(view.Backend("gpu0").uid(), first_uid);
    first_uid = view.Backend("gpu0").uid();
    EXPECT_THAT(shmemd.End(life < 2 ? SIGKILL : SIGTERM), Optional(life < 2 ? 128 + SIGKILL : 0));
  }
  EXPECT_FALSE(std::filesystem::exists(directory.path() + "/run/api.sock"));
  for (const auto& backend : backends) EXPECT_EQ(backend->transcript().unexpected_count(), 0u);
}

}  // namespace
}  // namespace shmemd::component
