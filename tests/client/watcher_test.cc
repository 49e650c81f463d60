// A Watcher against servers that say what a test says.
#include "shmemd/watcher.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <optional>
#include <thread>
#include <utility>

#include "client/backoff.h"
#include "shmemd/replica.h"
#include "tests/client/fake_shmemd.h"
#include "tests/client/recording_sink.h"
#include "tests/client/scripted_watch.h"

namespace shmemd::client {
namespace {

using std::chrono::milliseconds;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::Ge;

const WatchScript kSilence = {.silent = true};

WatchOptions Hasty() { return {.min_backoff = milliseconds(1), .max_backoff = milliseconds(20)}; }

Client ClientOf(const ScriptedWatch& server) { return *Client::Create({.endpoint = server.endpoint()}); }

// Waits for what another thread does.
template <typename Condition>
bool Eventually(const Condition& condition) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (!condition()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::yield();
  }
  return true;
}

TEST(Watcher, GoesOnBehindTheLastAnswer) {
  const ScriptedWatch server({{.messages = {Begin(), Item("a"), SyncedAt(5), ChangeAt(6)}},
                              {.messages = {ChangeAt(7), BookmarkAt(9)}},
                              {.messages = {ChangeAt(10)}, .silent = true}});
  RecordingSink sink;
  Watcher watcher(ClientOf(server), Hasty(), &sink);
  EXPECT_THAT(sink.Words(9),
              ElementsAre("begin FIRST", "item backends/a", "synced 5", "change 6", "broken UNAVAILABLE",
                          "change 7", "bookmark 9", "broken UNAVAILABLE", "change 10"));
  EXPECT_TRUE(Eventually([&] { return watcher.resume_token() == "t10"; }));
  EXPECT_THAT(server.asked(), ElementsAre("-", "t6", "t9"));
}

TEST(Watcher, BeginsBehindATokenThatItIsGiven) {
  const ScriptedWatch server({{.messages = {ChangeAt(4)}, .silent = true}});
  RecordingSink sink;
  WatchOptions options = Hasty();
  options.resume_token = "t3";
  Watcher watcher(ClientOf(server), options, &sink);
  EXPECT_THAT(sink.Words(1), ElementsAre("change 4"));
  EXPECT_THAT(server.asked(), ElementsAre("t3"));
}

TEST(Watcher, ASnapshotThatIsCutBeginsAnew) {
  const ScriptedWatch server(
      {{.messages = {Begin(), Item("a")}}, {.messages = {Begin(), Item("b"), SyncedAt(3)}, .silent = true}});
  RecordingSink sink;
  Watcher watcher(ClientOf(server), Hasty(), &sink);
  EXPECT_THAT(sink.Words(6), ElementsAre("begin FIRST", "item backends/a", "broken UNAVAILABLE",
                                         "begin INTERRUPTED", "item backends/b", "synced 3"));
  EXPECT_THAT(server.asked(), ElementsAre("-", "-"));
}

TEST(Watcher, WhereTheServerForgotASnapshotBeginsAtOnce) {
  for (const auto& [code, reason] : {std::pair(grpc::StatusCode::OUT_OF_RANGE, "RESUME_TOKEN_EXPIRED"),
                                     std::pair(grpc::StatusCode::INVALID_ARGUMENT, "RESUME_TOKEN_INVALID")}) {
    const ScriptedWatch server({{.messages = {Begin(), SyncedAt(5)}},
                                {.end = ErrorWithReason(code, "no", reason)},
                                {.messages = {Begin(), SyncedAt(2), ChangeAt(3)}, .silent = true}});
    RecordingSink sink;
    Watcher watcher(ClientOf(server), Hasty(), &sink);
    EXPECT_THAT(sink.Words(6), ElementsAre("begin FIRST", "synced 5", "broken UNAVAILABLE", "begin EXPIRED",
                                           "synced 2", "change 3"));
    EXPECT_THAT(server.asked(), ElementsAre("-", "t5", "-"));
  }
}

TEST(Watcher, AServerThatAlwaysSaysExpiredIsNotAskedInALoop) {
  const ScriptedWatch server({{.end = {grpc::StatusCode::OUT_OF_RANGE, "expired"}}});
  RecordingSink sink;
  Watcher watcher(ClientOf(server), Hasty(), &sink);
  EXPECT_THAT(sink.Words(2), ElementsAre("broken OUT_OF_RANGE", "broken OUT_OF_RANGE"));
}

TEST(Watcher, TheServersOwnSnapshotsHaveTheirReason) {
  const ScriptedWatch server(
      {{.messages = {Begin(), SyncedAt(1), Begin(v1::SnapshotBegin::SLOW_READER), Item("a"), SyncedAt(2),
                     Begin(v1::SnapshotBegin::EVENTS_LOST), SyncedAt(3)},
        .silent = true}});
  RecordingSink sink;
  Watcher watcher(ClientOf(server), Hasty(), &sink);
  EXPECT_THAT(sink.Words(7), ElementsAre("begin FIRST", "synced 1", "begin SLOW_READER", "item backends/a",
                                         "synced 2", "begin EVENTS_LOST", "synced 3"));
}

TEST(Watcher, WithChangesOnlyAGapIsTold) {
  const ScriptedWatch server({{.messages = {SyncedAt(1), ChangeAt(2)}},
                              {.messages = {ChangeAt(3), Begin(v1::SnapshotBegin::SLOW_READER), Item("a"),
                                            SyncedAt(9), ChangeAt(10)}},
                              {.end = {grpc::StatusCode::OUT_OF_RANGE, "expired"}},
                              {.messages = {SyncedAt(20), ChangeAt(21)}, .silent = true}});
  RecordingSink sink;
  WatchOptions options = Hasty();
  options.changes_only = true;
  Watcher watcher(ClientOf(server), options, &sink);
  EXPECT_THAT(sink.Words(11), ElementsAre("synced 1", "change 2", "broken UNAVAILABLE", "change 3",
                                          "begin SLOW_READER", "synced 9", "change 10", "broken UNAVAILABLE",
                                          "begin EXPIRED", "synced 20", "change 21"));
  EXPECT_THAT(server.asked(), ElementsAre("changes", "t2", "t10", "changes"));
}

TEST(Watcher, WaitsAsLongAsTheServerAsks) {
  const ScriptedWatch server({{.end = Exhausted(300)}, {.messages = {Begin()}, .silent = true}});
  RecordingSink sink;
  const auto start = std::chrono::steady_clock::now();
  Watcher watcher(ClientOf(server), Hasty(), &sink);
  EXPECT_THAT(sink.Words(2), ElementsAre("broken RESOURCE_EXHAUSTED", "begin FIRST"));
  EXPECT_GE(std::chrono::steady_clock::now() - start, milliseconds(300));
  EXPECT_THAT(sink.waits(), ElementsAre(Ge(milliseconds(300))));
}

TEST(Watcher, AServerThatSaysNothingIsLeft) {
  const ScriptedWatch server(
      {{.messages = {Begin(), SyncedAt(1)}, .silent = true}, {.messages = {ChangeAt(2)}, .silent = true}});
  RecordingSink sink;
  WatchOptions options = Hasty();
  options.silence_limit = milliseconds(150);
  {
    Watcher watcher(ClientOf(server), options, &sink);
    const std::vector<std::string> words = sink.Words(4);
    ASSERT_GE(words.size(), 4U);
    EXPECT_EQ(words[2], "broken DEADLINE_EXCEEDED");
    EXPECT_EQ(words[3], "change 2");
  }
  EXPECT_TRUE(Eventually([&] { return server.running() == 0; }));
}

TEST(Watcher, ASocketThatIsNotThereYetIsTriedUntilItIs) {
  TempFolder folder;
  RecordingSink sink;
  Watcher watcher(*Client::Create({.endpoint = folder.File("none.sock")}), Hasty(), &sink);
  const std::vector<std::string> words = sink.Words(3);
  EXPECT_GE(words.size(), 3U);
  EXPECT_THAT(words, Each("broken UNAVAILABLE"));
}

TEST(Watcher, WhatTimeDoesNotHealEndsIt) {
  for (const grpc::StatusCode code : {grpc::StatusCode::INVALID_ARGUMENT, grpc::StatusCode::PERMISSION_DENIED,
                                      grpc::StatusCode::UNAUTHENTICATED, grpc::StatusCode::UNIMPLEMENTED}) {
    const ScriptedWatch server({{.end = {code, "no"}}});
    RecordingSink sink;
    Watcher watcher(ClientOf(server), Hasty(), &sink);
    EXPECT_EQ(sink.Words(1).size(), 1U);
    watcher.Stop();
    EXPECT_EQ(server.asked().size(), 1U);
  }
}

TEST(Watcher, StopWithinACallIsTheLastOfIt) {
  const ScriptedWatch server({{.messages = {Begin(), Item("a"), SyncedAt(1), ChangeAt(2)}, .silent = true}});
  RecordingSink sink;
  std::unique_ptr<Watcher> watcher;
  std::atomic<bool> made{false};
  sink.on_word = [&](const std::string& word) {
    while (!made) std::this_thread::yield();
    if (word == "synced 1") watcher->Stop();
  };
  watcher = std::make_unique<Watcher>(ClientOf(server), Hasty(), &sink);
  made = true;
  EXPECT_TRUE(Eventually([&] { return watcher->resume_token() == "t1"; }));
  watcher.reset();
  EXPECT_THAT(sink.Words(3), ElementsAre("begin FIRST", "item backends/a", "synced 1"));
  EXPECT_TRUE(Eventually([&] { return server.running() == 0; }));
}

TEST(Watcher, StopWaitsForTheCallThatRuns) {
  const ScriptedWatch server({{.messages = {Begin(), SyncedAt(1), ChangeAt(2)}, .silent = true}});
  RecordingSink sink;
  std::atomic<bool> entered{false};
  std::atomic<bool> left{false};
  std::atomic<bool> go{false};
  sink.on_word = [&](const std::string& word) {
    if (word != "begin FIRST") return;
    entered = true;
    while (!go) std::this_thread::yield();
    left = true;
  };
  Watcher watcher(ClientOf(server), Hasty(), &sink);
  EXPECT_TRUE(Eventually([&] { return entered.load(); }));
  std::thread release([&] { go = true; });
  watcher.Stop();
  EXPECT_TRUE(left);
  release.join();
  watcher.Stop();
  EXPECT_THAT(sink.Words(1), ElementsAre("begin FIRST"));
}

TEST(Watcher, StopDoesNotWaitForTheNextTry) {
  const ScriptedWatch server({{.end = Exhausted(60'000)}});
  RecordingSink sink;
  const auto start = std::chrono::steady_clock::now();
  {
    Watcher watcher(ClientOf(server), Hasty(), &sink);
    sink.Words(1);
  }
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(20));
}

size_t Entries(const char* folder) {
  const std::filesystem::directory_iterator all(folder);
  return static_cast<size_t>(std::distance(begin(all), end(all)));
}

TEST(Watcher, LeavesNoThreadAndNoDescriptor) {
  const ScriptedWatch server({kSilence});
  const Client client = ClientOf(server);
  const auto watch = [&] {
    RecordingSink sink;
    std::vector<std::unique_ptr<Watcher>> watchers;
    for (int i = 0; i < 20; ++i) watchers.push_back(std::make_unique<Watcher>(client, Hasty(), &sink));
    EXPECT_TRUE(Eventually([&] { return server.running() == 20; }));
    watchers.clear();
    EXPECT_TRUE(Eventually([&] { return server.running() == 0; }));
  };
  watch();  // gRPC makes threads and descriptors that it keeps
  const size_t fds = Entries("/proc/self/fd");
  const size_t threads = Entries("/proc/self/task");
  for (int i = 0; i < 5; ++i) watch();
  EXPECT_TRUE(Eventually([&] { return Entries("/proc/self/fd") <= fds + 2; }))
      << Entries("/proc/self/fd") << fds;
  EXPECT_TRUE(Eventually([&] { return Entries("/proc/self/task") <= threads + 4; }))
      << Entries("/proc/self/task") << " after " << threads;
}

TEST(Replica, ReadersSeeTheOldTableUntilTheNewOneIsWhole) {
  const ScriptedWatch server({{.messages = {Begin(), Item("a"), SyncedAt(1)}},
                              {.end = {grpc::StatusCode::OUT_OF_RANGE, "expired"}},
                              {.messages = {Begin(), Item("b")}, .silent = true}});
  Replica replica;
  Watcher watcher(ClientOf(server), Hasty(), &replica);
  EXPECT_TRUE(replica.WaitUntilSynced(std::chrono::seconds(20)));
  EXPECT_TRUE(Eventually([&] { return server.asked().size() == 3; }));
  replica.Read([](const ShmemTable& table) {
    ASSERT_EQ(table.backends().size(), 1U);
    EXPECT_EQ(table.backends().begin()->first, "backends/a");
  });
  EXPECT_EQ(replica.state(), (Replica::State{.synced = true, .connected = false, .revision = 1}));
  EXPECT_FALSE(replica.WaitForRevision(2, milliseconds(1)));
}

TEST(Backoff, GrowsToItsLimitAndIsRandom) {
  Backoff backoff(milliseconds(100), milliseconds(1000));
  for (const int step : {100, 200, 400, 800, 1000, 1000}) {
    const milliseconds wait = backoff.Next(std::nullopt);
    EXPECT_GE(wait, milliseconds(step / 2));
    EXPECT_LE(wait, milliseconds(step));
  }
  backoff.Reset();
  EXPECT_LE(backoff.Next(std::nullopt), milliseconds(100));
  const milliseconds asked = backoff.Next(milliseconds(5000));
  EXPECT_GE(asked, milliseconds(5000));
  EXPECT_LE(asked, milliseconds(5500));
  EXPECT_GE(backoff.Next(milliseconds(0)), milliseconds(100));
}

}  // namespace
}  // namespace shmemd::client
