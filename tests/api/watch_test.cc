// Watch: the state first, then every change, to copies that must be equal to what is shown.
#include <gmock/gmock.h>
#include <grpcpp/support/client_callback.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <thread>

#include "server/api/resume_token.h"
#include "tests/api/watch_copy.h"

namespace shmemd::api {
namespace {

using grpc::StatusCode;
using Body = v1::WatchResponse::BodyCase;

class WatchTest : public ApiTest {
 protected:
  WatchTest() {
    fleet_.SetListener([this] { server_.ReplicaChanged(); });
  }
  ~WatchTest() override { fleet_.SetListener(nullptr); }

  void SetUp() override {
    ApiTest::SetUp();
    fleet_.Attach("a");
    fleet_.Connect("a");
    fleet_.Report("a", 0, 0x1000000);
    fleet_.Report("a", 2, 0x1000000);
    fleet_.Map("a", 2, 0x10000, 0x4000);
  }

  WatchClient Watch(const v1::WatchRequest& request = {}) { return WatchClient(*inspector_, request); }
  // What `change` does is told at once.
  template <typename Change>
  void Together(const Change& change) {
    fleet_.SetListener(nullptr);
    change();
    fleet_.SetListener([this] { server_.ReplicaChanged(); });
    server_.ReplicaChanged();
  }
  void ExpectEqual(const WatchCopy& copy) { EXPECT_EQ(copy.Text(), StateOf(*inspector_)); }
};

TEST_F(WatchTest, TheStateComesFirstThenSyncedThenChanges) {
  WatchClient watch = Watch();
  EXPECT_EQ(watch.Next().body_case(), Body::kSnapshotBegin);
  const v1::WatchResponse snapshot = watch.Next();
  ASSERT_EQ(snapshot.body_case(), Body::kSnapshot);
  EXPECT_EQ(snapshot.snapshot().backends_size(), 1);
  EXPECT_EQ(snapshot.snapshot().regions_size(), 2);
  EXPECT_EQ(snapshot.snapshot().mappings_size(), 1);
  EXPECT_EQ(snapshot.resume_token(), "");
  const v1::WatchResponse synced = watch.Next();
  EXPECT_EQ(synced.body_case(), Body::kSynced);
  EXPECT_NE(synced.resume_token(), "");
  ExpectEqual(watch.copy());
  fleet_.Map("a", 2, 0x20000, 0x4000);
  const v1::WatchResponse change = watch.Next();
  ASSERT_EQ(change.body_case(), Body::kChange);
  EXPECT_EQ(change.change().event().type(), v1::Event::MAPPED);
  EXPECT_EQ(change.change().mappings(0).name(), "backends/a/regions/2/mappings/0x20000");
  EXPECT_EQ(change.change().regions(0).mapped_bytes(), 0x8000);
  EXPECT_GT(change.revision(), synced.revision());
  ExpectEqual(watch.copy());
}

TEST_F(WatchTest, EveryKindOfChangeArrives) {
  WatchClient watch = Watch();
  watch.UntilSynced();
  fleet_.Map("a", 2, 0x12000, 0x1000);  // into the middle of another
  fleet_.Unmap("a", 2, 0x10000, 0x2000);
  fleet_.Attach("relayed", state::Mode::kRelay);
  fleet_.Connect("relayed");
  fleet_.Map("relayed", 7, 0, 0x3000);  // a region without a size
  fleet_.Apply("relayed", state::Disconnected{state::BackendState::kDisconnected, {}});
  fleet_.Attach("gone");
  fleet_.Map("gone", 0, 0, 0x3000);
  fleet_.Detach("gone");
  fleet_.Apply("a", state::RegionRetired{0});
  fleet_.Apply("a", state::StateChanged{state::BackendState::kNegotiating, {}});
  watch.Until(fleet_.revision());
  ExpectEqual(watch.copy());
  fleet_.Apply("relayed", state::MappingsCleared{});
  watch.Until(fleet_.revision());
  ExpectEqual(watch.copy());
}

TEST_F(WatchTest, ABackendAndARegionAndTypesSelect) {
  fleet_.Attach("b");
  v1::WatchRequest request;
  request.set_parent("backends/a/regions/2");
  request.add_types(v1::Event::UNMAPPED);
  WatchClient watch = Watch(request);
  watch.UntilSynced();
  EXPECT_EQ(watch.copy().names(), "backends/a backends/a/regions/2 backends/a/regions/2/mappings/0x10000 ");
  fleet_.Map("b", 2, 0, 0x1000);
  fleet_.Map("a", 0, 0, 0x1000);
  fleet_.Map("a", 2, 0, 0x1000);
  fleet_.Unmap("a", 2, 0, 0x1000);
  const v1::WatchResponse change = watch.Next();
  EXPECT_EQ(change.change().event().type(), v1::Event::UNMAPPED);
  EXPECT_EQ(change.change().removed_mappings(0), "backends/a/regions/2/mappings/0x0");
}

TEST_F(WatchTest, OfAChangeOfAllRegionsOnlyTheOneThatIsWatchedIsTold) {
  v1::WatchRequest request;
  request.set_parent("backends/a/regions/2");
  WatchClient watch = Watch(request);
  watch.UntilSynced();
  fleet_.Apply("a", state::MappingsCleared{});
  const v1::WatchResponse change = watch.Next();
  EXPECT_TRUE(change.change().all_mappings_removed());
  ASSERT_EQ(change.change().regions_size(), 1);
  EXPECT_EQ(change.change().regions(0).name(), "backends/a/regions/2");
}

TEST_F(WatchTest, WhoWatchesOneRegionIsToldOfTheBackendThoughAnotherRegionChangedAtOnce) {
  v1::WatchRequest request;
  request.set_parent("backends/a/regions/2");
  WatchClient watch = Watch(request);
  watch.UntilSynced();
  Together([this] {
    fleet_.Apply("a", state::StateChanged{state::BackendState::kNegotiating, {}});
    fleet_.Map("a", 0, 0, kPage);
  });
  const v1::WatchResponse change = watch.Next();
  EXPECT_EQ(change.change().event().type(), v1::Event::STATE_CHANGED);
  EXPECT_EQ(change.change().backend().state(), v1::Backend::NEGOTIATING);
}

TEST_F(WatchTest, AChangeThatIsTooLargeToBeToldConcernsItsBackendAlone) {
  fleet_.Attach("b");
  for (uint64_t i = 0; i < 300; ++i) fleet_.Map("b", 0, i * kPage, kPage);
  v1::WatchRequest request;
  request.set_parent("backends/a");
  WatchClient other = Watch(request);
  other.UntilSynced();
  WatchClient all = Watch();
  all.UntilSynced();
  fleet_.Map("b", 0, 0, 300 * kPage);
  fleet_.Map("a", 0, 0, kPage);
  EXPECT_EQ(other.Next().change().event().type(), v1::Event::MAPPED);
  const v1::WatchResponse again = all.Next();
  ASSERT_EQ(again.body_case(), Body::kSnapshotBegin);
  EXPECT_EQ(again.snapshot_begin().reason(), v1::SnapshotBegin::EVENTS_LOST);
  all.UntilSynced();
  all.Until(fleet_.revision());
  ExpectEqual(all.copy());
}

TEST_F(WatchTest, AnUnmapThatFailedTouchesNothingHoweverLongItIs) {
  for (uint64_t i = 0; i < 300; ++i) fleet_.Map("a", 0, i * kPage, kPage);
  WatchClient watch = Watch();
  watch.UntilSynced();
  state::UnmapSettled unmap;
  unmap.request.len = ~uint64_t{0};
  unmap.error_number = 22;
  fleet_.Apply("a", unmap);
  const v1::WatchResponse change = watch.Next();
  ASSERT_EQ(change.body_case(), Body::kChange);
  EXPECT_EQ(change.change().event().type(), v1::Event::UNMAP_FAILED);
  ExpectEqual(watch.copy());
}

TEST_F(WatchTest, ABackendThatIsNotThereYetShowsUpWhenItIs) {
  v1::WatchRequest request;
  request.set_parent("backends/later");
  WatchClient watch = Watch(request);
  watch.UntilSynced();
  EXPECT_EQ(watch.copy().names(), "");
  fleet_.Attach("later");
  EXPECT_EQ(watch.Next().change().event().type(), v1::Event::ATTACHED);
  EXPECT_EQ(watch.copy().names(), "backends/later ");
}

TEST_F(WatchTest, ChangesOnlyBeginsNow) {
  v1::WatchRequest request;
  request.set_changes_only(true);
  WatchClient watch = Watch(request);
  EXPECT_EQ(watch.Next().body_case(), Body::kSynced);
  fleet_.Map("a", 0, 0, 0x1000);
  EXPECT_EQ(watch.Next().change().event().type(), v1::Event::MAPPED);
}

TEST_F(WatchTest, AStreamThatIsKilledAndResumedLosesAndDoublesNothing) {
  v1::WatchRequest request;
  WatchCopy copy;
  uint64_t mapped = 0;
  uint64_t told = 0;
  for (int round = 0; round < 200; ++round) {
    WatchClient watch(*inspector_, request, std::move(copy));
    if (round == 0) watch.UntilSynced();
    for (int i = 0; i < round % 7; ++i) fleet_.Map("a", 0, mapped++ * kPage, kPage);
    for (int i = 0; i < round % 5 && told < mapped; ++i) {
      const v1::WatchResponse response = watch.Next();
      ASSERT_EQ(response.body_case(), Body::kChange);
      EXPECT_EQ(response.change().event().request().shm_offset_bytes(), static_cast<int64_t>(told++ * kPage));
    }
    request.set_resume_token(watch.token());
    copy = watch.TakeCopy();
  }
  WatchClient watch(*inspector_, request, std::move(copy));
  watch.Until(fleet_.revision());
  ExpectEqual(watch.copy());
}

TEST_F(WatchTest, ATokenThatIsTooOldOrOfAnotherProcessIsExpired) {
  WatchClient watch = Watch();
  watch.UntilSynced();
  v1::WatchRequest request;
  request.set_resume_token(watch.token());
  for (uint64_t i = 0; i <= Fleet::kMaxEvents; ++i) fleet_.Map("a", 0, i * kPage, kPage);
  EXPECT_THAT(Watch(request).Finish(), IsError(StatusCode::OUT_OF_RANGE, "RESUME_TOKEN_EXPIRED"));
  request.set_resume_token(EncodeResumeToken({0, 4711, 3}));
  EXPECT_THAT(Watch(request).Finish(), IsError(StatusCode::OUT_OF_RANGE, "RESUME_TOKEN_EXPIRED"));
}

TEST_F(WatchTest, WhatIsWrongIsRefused) {
  v1::WatchRequest request;
  request.set_resume_token("not one");
  EXPECT_THAT(Watch(request).Finish(), IsError(StatusCode::INVALID_ARGUMENT, "RESUME_TOKEN_INVALID"));
  request.clear_resume_token();
  request.set_parent("backends/UPPER");
  EXPECT_THAT(Watch(request).Finish(), IsError(StatusCode::INVALID_ARGUMENT, "RESOURCE_NAME_INVALID"));
  request.clear_parent();
  request.add_types(static_cast<v1::Event::Type>(63));
  EXPECT_THAT(Watch(request).Finish(), IsError(StatusCode::INVALID_ARGUMENT, "EVENT_TYPE_INVALID"));
}

TEST_F(WatchTest, ASnapshotOfManySlicesIsRightWhileThingsChange) {
  constexpr uint64_t kCount = 3000;
  for (const char* id : {"b", "c", "d"}) {
    fleet_.Attach(id);
    for (uint64_t i = 0; i < kCount; ++i) fleet_.Map(id, static_cast<uint8_t>(i % 3), i * 2 * kPage, kPage);
  }
  WatchClient watch = Watch();
  for (uint64_t i = 0; !watch.synced(); ++i) {
    watch.Next();
    for (const char* id : {"b", "d"}) {
      const uint64_t slot = i * 97 % kCount;
      fleet_.Unmap(id, static_cast<uint8_t>(slot % 3), slot * 2 * kPage, kPage);
      fleet_.Map(id, static_cast<uint8_t>(i % 4), (slot * 2 + 1) * kPage, kPage);
    }
    if (i == 5) fleet_.Detach("c");
    if (i == 9) fleet_.Attach("ab");
  }
  watch.Until(fleet_.revision());
  ExpectEqual(watch.copy());
}

TEST_F(WatchTest, ABackendThatIsReplacedByOneOfItsNameInTheMiddleOfASnapshotIsRight) {
  fleet_.Attach("b");
  for (uint64_t i = 0; i < 4000; ++i) fleet_.Map("b", static_cast<uint8_t>(i % 3), i * 2 * kPage, kPage);
  fleet_.Attach("c");
  WatchClient watch = Watch();
  for (int i = 0; i < 4; ++i) watch.Next();
  fleet_.Detach("b");
  fleet_.Attach("b");
  // Not more than is kept, in regions and at offsets before and behind those that were sent.
  for (uint64_t i = 0; i < 100; ++i) fleet_.Map("b", static_cast<uint8_t>(i % 7), i * 78 * kPage, kPage);
  fleet_.Apply("b", state::RegionRetired{1});
  watch.UntilSynced();
  watch.Until(fleet_.revision());
  ExpectEqual(watch.copy());
}

TEST_F(WatchTest, AClientThatLeavesInTheMiddleOfItsSnapshotIsForgotten) {
  fleet_.Attach("b");
  for (uint64_t i = 0; i < 9000; ++i) fleet_.Map("b", 0, i * 2 * kPage, kPage);
  {
    WatchClient watch = Watch();
    watch.Next();
    watch.Next();
  }
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(5);
  while (server_.watcher_count() > 0 && std::chrono::steady_clock::now() < deadline)
    std::this_thread::yield();
  EXPECT_EQ(server_.watcher_count(), 0);
}

TEST_F(WatchTest, AReaderThatIsTooSlowGetsANewSnapshot) {
  WatchClient watch = Watch();
  watch.UntilSynced();
  // More than the stream's window and the ring hold.
  for (uint64_t i = 0; i < 20 * Fleet::kMaxEvents; ++i) fleet_.Map("a", 0, i % 64 * kPage, kPage);
  bool again = false;
  while (!again || !watch.synced()) {
    const v1::WatchResponse response = watch.Next();
    if (response.body_case() != Body::kSnapshotBegin) continue;
    again = true;
    EXPECT_EQ(response.snapshot_begin().reason(), v1::SnapshotBegin::SLOW_READER);
  }
  watch.Until(fleet_.revision());
  ExpectEqual(watch.copy());
}

TEST_F(WatchTest, AShutdownIsALastBookmarkThenUnavailable) {
  WatchClient watch = Watch();
  watch.UntilSynced();
  EXPECT_EQ(server_.watcher_count(), 1);
  std::thread shutdown([this] { server_.Shutdown(std::chrono::seconds(20)); });
  EXPECT_EQ(watch.Next().body_case(), Body::kBookmark);
  EXPECT_THAT(watch.Finish(), IsError(StatusCode::UNAVAILABLE, "SHUTTING_DOWN"));
  shutdown.join();
  EXPECT_EQ(server_.watcher_count(), 0);
}

// A server with limits of its own.
class WatchLimitsTest : public testing::Test {
 protected:
  // Of config_ as it is now.
  void Serve() {
    server_ = std::make_unique<ApiServer>(config_, fleet_.reader(), control_);
    fleet_.SetListener([this] { server_->ReplicaChanged(); });
    ASSERT_EQ(server_->Start(), absl::OkStatus());
    inspector_ = v1::ShmemInspector::NewStub(ChannelTo("unix:" + config_.socket.path));
  }
  void TearDown() override { fleet_.SetListener(nullptr); }

  TempDir directory_;
  ApiConfig config_ = ConfigIn(directory_);
  Fleet fleet_;
  feed::Control control_;
  std::unique_ptr<ApiServer> server_;
  std::unique_ptr<v1::ShmemInspector::Stub> inspector_;
};

TEST_F(WatchLimitsTest, SilenceIsBookmarkedAndWatchersAreCounted) {
  config_.watch.bookmark_after = std::chrono::milliseconds(50);
  config_.watch.max_watchers = 1;
  Serve();
  v1::WatchRequest request;
  request.set_parent("backends/a");
  WatchClient watch(*inspector_, request);
  watch.UntilSynced();
  fleet_.Attach("b");  // filtered out
  v1::WatchResponse bookmark = watch.Next();
  while (bookmark.revision() < static_cast<int64_t>(fleet_.revision())) bookmark = watch.Next();
  EXPECT_EQ(bookmark.body_case(), Body::kBookmark);
  EXPECT_NE(bookmark.resume_token(), "");

  const grpc::Status refused = WatchClient(*inspector_, request).Finish();
  EXPECT_EQ(refused.error_code(), StatusCode::RESOURCE_EXHAUSTED);
  google::rpc::Status details;
  google::rpc::ErrorInfo info;
  google::rpc::RetryInfo retry;
  ASSERT_TRUE(details.ParseFromString(refused.error_details()));
  ASSERT_EQ(details.details_size(), 2);
  ASSERT_TRUE(details.details(0).UnpackTo(&info));
  EXPECT_EQ(info.reason(), "TOO_MANY_WATCHERS");
  ASSERT_TRUE(details.details(1).UnpackTo(&retry));
  EXPECT_GT(retry.retry_delay().seconds(), 0);
}

TEST_F(WatchLimitsTest, ATokenBehindMoreThanTheRingHoldsIsExpired) {
  config_.watch.ring_bytes = size_t{32} << 10;
  Serve();
  fleet_.Attach("a");
  WatchClient watch(*inspector_, {});
  watch.UntilSynced();
  v1::WatchRequest old;
  old.set_resume_token(watch.token());
  for (uint64_t i = 0; i < 200; ++i) {
    fleet_.Map("a", 0, i * kPage, kPage);
    watch.Until(fleet_.revision());
  }
  EXPECT_THAT(WatchClient(*inspector_, old).Finish(),
              IsError(StatusCode::OUT_OF_RANGE, "RESUME_TOKEN_EXPIRED"));
  v1::WatchRequest fresh;
  fresh.set_resume_token(watch.token());
  WatchClient resumed(*inspector_, fresh, watch.TakeCopy());
  fleet_.Map("a", 1, 0, kPage);
  EXPECT_EQ(resumed.Next().body_case(), Body::kChange);
  EXPECT_EQ(resumed.copy().Text(), StateOf(*inspector_));
}

TEST_F(WatchLimitsTest, WhoWatchesAQuietBackendIsNotLeftBehindByOthers) {
  config_.watch.ring_bytes = size_t{512} << 10;
  Serve();
  for (const char* id : {"busy", "quiet"}) fleet_.Attach(id);
  v1::WatchRequest request;
  request.set_parent("backends/quiet");
  WatchClient quiet(*inspector_, request);
  quiet.UntilSynced();
  request.set_parent("backends/busy");
  WatchClient busy(*inspector_, request);
  busy.UntilSynced();
  size_t bytes = 0;
  for (uint64_t i = 0; bytes < 4 * config_.watch.ring_bytes; ++i) {
    fleet_.Map("busy", 0, i * kPage, kPage);
    bytes += busy.Next().ByteSizeLong();
  }
  fleet_.Map("quiet", 0, 0, kPage);
  EXPECT_EQ(quiet.Next().body_case(), Body::kChange);
}

TEST(WatchFeed, WhoResumesThrowsNobodyElseOff) {
  struct Nobody final : ChangeListener {
    void Wake() override {}
    void End() override {}
  };
  Fleet fleet;
  fleet.Attach("a");
  const uint64_t before = fleet.revision();
  fleet.Map("a", 0, 0, kPage);
  WatchFeed feed(fleet.reader(), {});
  ASSERT_TRUE(feed.Join(std::make_shared<Nobody>(), "", 1));
  uint64_t cursor = fleet.revision();
  fleet.Map("a", 0, kPage, kPage);
  grpc::Slice change;
  std::string backend_id;
  // Ahead of what was pulled.
  EXPECT_TRUE(feed.Cover(fleet.revision()));
  feed.CatchUp(fleet.revision());
  EXPECT_EQ(feed.Find({}, fleet.revision(), cursor, change, backend_id), WatchFeed::Next::kChange);
  EXPECT_EQ(cursor, fleet.revision());
  // Behind where the ring begins.
  EXPECT_TRUE(feed.Cover(before));
  EXPECT_EQ(feed.Find({}, fleet.revision(), cursor, change, backend_id), WatchFeed::Next::kNone);
  cursor = before;
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(feed.Find({}, fleet.revision(), cursor, change, backend_id), WatchFeed::Next::kChange);
  }
  EXPECT_EQ(feed.Find({}, fleet.revision(), cursor, change, backend_id), WatchFeed::Next::kNone);
}

TEST(ResumeToken, ComesBackAsItWasAndDamageIsNoticed) {
  const ResumePoint point{0, 0x123456789abcdef0, 42};
  const std::string token = EncodeResumeToken(point);
  EXPECT_EQ(DecodeResumeToken(token), point);
  for (size_t i = 0; i < token.size(); ++i) {
    std::string damaged = token;
    damaged[i] = damaged[i] == 'A' ? 'B' : 'A';
    EXPECT_NE(DecodeResumeToken(damaged), point) << i;
    EXPECT_EQ(DecodeResumeToken(token.substr(0, i)), std::nullopt) << i;
  }
  EXPECT_EQ(DecodeResumeToken(std::string(1000, 'A')), std::nullopt);
}

}  // namespace
}  // namespace shmemd::api
