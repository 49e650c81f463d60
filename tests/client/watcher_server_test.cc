// A Watcher and a Replica against the API that shmemd serves.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <cstdio>
#include <optional>
#include <thread>

#include "shmemd/replica.h"
#include "shmemd/watcher.h"
#include "tests/api/watch_copy.h"
#include "tests/client/cutting_proxy.h"

namespace shmemd::client {
namespace {

using api::ApiServer;
using api::Fleet;
using api::kPage;

constexpr std::chrono::seconds kPatience(60);

// A replica that also checks that each event comes once, in order.
class Ledger : public Replica {
 public:
  void OnSnapshotBegin(SnapshotReason reason) override {
    ++snapshots_;
    Replica::OnSnapshotBegin(reason);
  }
  void OnSynced(int64_t revision) override {
    last_ = revision;
    Replica::OnSynced(revision);
  }
  void OnChange(const v1::Change& change, int64_t revision) override {
    const int64_t event = change.event().revision();
    const int64_t last = last_;
    if (event <= last) ++doubled_;
    if (event > last + 1) lost_ += static_cast<int>(event - last - 1);
    last_ = std::max(last, event);
    ++told_;
    Replica::OnChange(change, revision);
  }
  bool OnBroken(const absl::Status& status, std::chrono::milliseconds retry_in) override {
    ++broken_;
    return Replica::OnBroken(status, retry_in);
  }

  std::atomic<int> snapshots_{0};
  std::atomic<int> told_{0};
  std::atomic<int> lost_{0};
  std::atomic<int> doubled_{0};
  std::atomic<int> broken_{0};
  std::atomic<int64_t> last_{0};
};

std::string TextOf(const Replica& replica) {
  api::WatchCopy copy;
  replica.Read([&copy](const ShmemTable& table) {
    for (const auto& [name, item] : table.backends()) copy.Put(item);
    for (const auto& [name, item] : table.regions()) copy.Put(item);
    for (const auto& [name, item] : table.mappings()) copy.Put(item);
  });
  return copy.Text();
}

class WatcherServerTest : public api::ApiTest {
 protected:
  WatcherServerTest() {
    fleet_.SetListener([this] { server_.ReplicaChanged(); });
  }
  ~WatcherServerTest() override { fleet_.SetListener(nullptr); }

  void SetUp() override {
    ApiTest::SetUp();
    fleet_.Attach("a");
    fleet_.Connect("a");
    fleet_.Report("a", 0, uint64_t{1} << 30);
    fleet_.Attach("b");
  }

  void ExpectEqual(const Replica& replica) {
    EXPECT_TRUE(replica.WaitForRevision(static_cast<int64_t>(fleet_.revision()), kPatience));
    EXPECT_EQ(TextOf(replica), api::StateOf(*inspector_));
  }
  static WatchOptions Hasty() {
    return {.min_backoff = std::chrono::milliseconds(1), .max_backoff = std::chrono::milliseconds(10)};
  }
};

TEST_F(WatcherServerTest, AReplicaIsWhatIsShown) {
  Replica replica;
  Watcher watcher(*Client::Create({.endpoint = config_.socket.path}), {}, &replica);
  ASSERT_TRUE(replica.WaitUntilSynced(kPatience));
  for (uint64_t i = 0; i < 300; ++i) fleet_.Map("a", 0, i * kPage, kPage);
  for (uint64_t i = 0; i < 300; i += 2) fleet_.Unmap("a", 0, i * kPage, kPage);
  fleet_.Detach("b");
  fleet_.Attach("c", state::Mode::kRelay);
  fleet_.Connect("c");
  fleet_.Map("c", 3, 0, kPage);
  ExpectEqual(replica);
  fleet_.Apply("c", state::Disconnected{state::BackendState::kDisconnected, {}});
  ExpectEqual(replica);
}

TEST_F(WatcherServerTest, CutAThousandTimesItLosesAndDoublesNothing) {
  constexpr int kCuts = 1000;
  constexpr int64_t kMostAhead = 256;  // below what the server keeps
  // An HTTP/2 handshake passes: gRPC waits before it tries again where there was none.
  CuttingProxy proxy(directory_.File("cut.sock"), config_.socket.path, 100, 6000);
  Ledger ledger;
  Watcher watcher(*Client::Create({.endpoint = directory_.File("cut.sock")}), Hasty(), &ledger);
  ASSERT_TRUE(ledger.WaitUntilSynced(kPatience));
  const int snapshots = ledger.snapshots_;
  const auto deadline = std::chrono::steady_clock::now() + 3 * kPatience;
  uint64_t changes = 0;
  while (proxy.cuts() < kCuts && std::chrono::steady_clock::now() < deadline) {
    if (static_cast<int64_t>(fleet_.revision()) - ledger.last_ > kMostAhead) {
      std::this_thread::yield();
      continue;
    }
    const uint64_t offset = changes / 2 % 1000 * kPage;
    if (changes++ % 2 == 0) {
      fleet_.Map("a", 0, offset, kPage);
    } else if (changes % 3 != 0) {
      fleet_.Unmap("a", 0, offset, kPage);
    } else {
      fleet_.Map("b", static_cast<uint8_t>(changes % 4), offset, kPage);
    }
  }
  const int cuts = proxy.cuts();
  proxy.Heal();
  ExpectEqual(ledger);
  std::printf(
      "%d cuts, %d streams broken, %lu changes made, %d told, %d lost, %d doubled, %d snapshots after the "
      "first\n",
      cuts, ledger.broken_.load(), static_cast<unsigned long>(changes), ledger.told_.load(),
      ledger.lost_.load(), ledger.doubled_.load(), ledger.snapshots_ - snapshots);
  EXPECT_GE(cuts, kCuts);
  EXPECT_EQ(ledger.lost_, 0);
  EXPECT_EQ(ledger.doubled_, 0);
  EXPECT_EQ(ledger.snapshots_, snapshots);
  EXPECT_EQ(ledger.last_, static_cast<int64_t>(fleet_.revision()));
}

TEST_F(WatcherServerTest, ASlowSinkGetsANewSnapshotAndDelaysNobody) {
  class Slow : public Ledger {
   public:
    void OnChange(const v1::Change& change, int64_t revision) override {
      while (!go_) std::this_thread::yield();
      Ledger::OnChange(change, revision);
    }
    std::atomic<bool> go_{false};
  } slow;
  const Client client = *Client::Create({.endpoint = config_.socket.path});
  Watcher watcher(client, {}, &slow);
  ASSERT_TRUE(slow.WaitUntilSynced(kPatience));
  Replica other;
  Watcher second(client, {}, &other);
  ASSERT_TRUE(other.WaitUntilSynced(kPatience));
  // Some 20 MiB of changes: more than the server keeps and the windows of both sides hold.
  for (uint64_t i = 0; i < 60 * Fleet::kMaxEvents; ++i) fleet_.Map("a", 0, i % 64 * kPage, kPage);
  ExpectEqual(other);
  slow.go_ = true;
  ExpectEqual(slow);
  EXPECT_GE(slow.snapshots_, 2);
  EXPECT_EQ(slow.doubled_, 0);
}

TEST(WatcherRestart, AServerThatIsStartedAnewIsFollowedAgain) {
  api::TempDir directory;
  feed::Control control;
  Ledger ledger;
  std::optional<Watcher> watcher;
  for (const std::string id : {"first", "second", "third"}) {
    Fleet fleet;
    ApiServer server(api::ConfigIn(directory), fleet.reader(), control);
    fleet.SetListener([&server] { server.ReplicaChanged(); });
    ASSERT_EQ(server.Start(), absl::OkStatus());
    fleet.Attach(id);
    fleet.Connect(id);
    fleet.Report(id, 0, 1 << 20);
    if (!watcher)
      watcher.emplace(*Client::Create({.endpoint = directory.File("run/api.sock")}), WatchOptions{}, &ledger);
    const auto inspector =
        v1::ShmemInspector::NewStub(api::ChannelTo("unix:" + directory.File("run/api.sock")));
    const std::string expected = api::StateOf(*inspector);
    const auto deadline = std::chrono::steady_clock::now() + kPatience;
    while (TextOf(ledger) != expected && std::chrono::steady_clock::now() < deadline)
      std::this_thread::yield();
    EXPECT_EQ(TextOf(ledger), expected);
    fleet.SetListener(nullptr);
    server.Shutdown(std::chrono::seconds(5));
  }
  EXPECT_EQ(ledger.snapshots_, 3);
}

}  // namespace
}  // namespace shmemd::client
