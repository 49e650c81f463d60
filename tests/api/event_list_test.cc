// ListEvents: what happened last, oldest first.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <set>
#include <string>
#include <vector>

#include "tests/api/api_fixture.h"

namespace shmemd::api {
namespace {

using grpc::StatusCode;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;
using Stub = v1::ShmemInspector::Stub;

class EventListTest : public ApiTest {
 protected:
  std::vector<v1::Event> All(
      v1::ListEventsRequest request, const std::function<void()>& between = [] {}) {
    std::vector<v1::Event> events;
    while (true) {
      v1::ListEventsResponse response;
      const grpc::Status status = Call(&Stub::ListEvents, request, response);
      EXPECT_TRUE(status.ok()) << status.error_message();
      if (!status.ok()) return events;
      for (const v1::Event& event : response.events()) events.push_back(event);
      if (response.next_page_token().empty()) return events;
      request.set_page_token(response.next_page_token());
      between();
    }
  }

  // The types of what is listed below `parent`.
  std::vector<int> Types(const std::string& parent, const std::vector<v1::Event::Type>& wanted = {}) {
    v1::ListEventsRequest request;
    request.set_parent(parent);
    request.set_page_size(1);
    for (v1::Event::Type type : wanted) request.add_types(type);
    std::vector<int> types;
    for (const v1::Event& event : All(request)) types.push_back(event.type());
    return types;
  }

  grpc::Status List(const v1::ListEventsRequest& request) {
    v1::ListEventsResponse response;
    return Call(&Stub::ListEvents, request, response);
  }
};

TEST_F(EventListTest, WhatHappenedBeforeABackendWasLostAndDetachedIsStillThere) {
  fleet_.Attach("a");
  fleet_.Report("a", 2, 0x10000);
  fleet_.Map("a", 2, 0, kPage);
  state::Disconnected lost;
  lost.state = state::BackendState::kDisconnected;
  lost.cause.reason = state::StateReason::kClosedByBackend;
  fleet_.Apply("a", lost);
  fleet_.Detach("a");
  EXPECT_THAT(Types("backends/a"),
              ElementsAre(v1::Event::ATTACHED, v1::Event::REGION_REPORTED, v1::Event::MAPPED,
                          v1::Event::DISCONNECTED, v1::Event::DETACHED));
}

TEST_F(EventListTest, ParentAndTypesSelect) {
  fleet_.Attach("a");
  fleet_.Attach("b");
  fleet_.Map("a", 2, 0, kPage);
  fleet_.Map("a", 3, 0, kPage);
  fleet_.Unmap("b", 2, 0, kPage);
  EXPECT_THAT(Types(""), SizeIs(5));
  EXPECT_THAT(Types("backends/b"), ElementsAre(v1::Event::ATTACHED, v1::Event::UNMAPPED));
  EXPECT_THAT(Types("backends/a/regions/3"), ElementsAre(v1::Event::ATTACHED, v1::Event::MAPPED));
  EXPECT_THAT(Types("backends/-/regions/2", {v1::Event::MAPPED, v1::Event::UNMAPPED}),
              ElementsAre(v1::Event::MAPPED, v1::Event::UNMAPPED));
  EXPECT_THAT(Types("backends/never-attached"), IsEmpty());
}

TEST_F(EventListTest, SinceSelectsByTime) {
  fleet_.Attach("a");
  for (uint64_t i = 0; i < 5; ++i) fleet_.Map("a", 0, i * kPage, kPage);
  v1::ListEventsRequest request;
  request.mutable_since()->set_seconds(Fleet::kStartNs / 1'000'000'000);
  request.mutable_since()->set_nanos(5);
  EXPECT_THAT(All(request), SizeIs(2));
  request.mutable_since()->set_seconds(std::numeric_limits<int64_t>::max());
  EXPECT_THAT(All(request), IsEmpty());
  request.mutable_since()->set_seconds(std::numeric_limits<int64_t>::min());
  EXPECT_THAT(All(request), SizeIs(6));
}

TEST_F(EventListTest, PagesGoOnWhileMoreHappens) {
  fleet_.Attach("a");
  for (uint64_t i = 0; i < 100; ++i) fleet_.Map("a", 0, i * kPage, kPage);
  v1::ListEventsRequest request;
  request.set_page_size(7);
  int more = 10;
  const auto events = All(request, [&] {
    if (more-- > 0) fleet_.Map("a", 1, static_cast<uint64_t>(more) * kPage, kPage);
  });
  EXPECT_THAT(events, SizeIs(111));
  for (size_t i = 1; i < events.size(); ++i) EXPECT_GT(events[i].revision(), events[i - 1].revision());
}

TEST_F(EventListTest, OnlyTheLastAreKept) {
  fleet_.Attach("a");
  for (uint64_t i = 0; i < 3 * Fleet::kMaxEvents; ++i) fleet_.Map("a", 0, i * kPage, kPage);
  v1::ListEventsRequest request;
  request.set_page_size(100);
  const auto events = All(request);
  ASSERT_THAT(events, SizeIs(Fleet::kMaxEvents));
  EXPECT_EQ(events.back().revision(), 3 * Fleet::kMaxEvents + 1);
}

TEST_F(EventListTest, WhatIsWrongIsRefused) {
  fleet_.Attach("a");
  fleet_.Attach("b");
  v1::ListEventsRequest request;
  request.set_page_size(1);
  v1::ListEventsResponse response;
  ASSERT_TRUE(Call(&Stub::ListEvents, request, response).ok());
  request.set_page_token(response.next_page_token());
  ASSERT_TRUE(List(request).ok());
  request.add_types(v1::Event::MAPPED);
  EXPECT_THAT(List(request), IsError(StatusCode::INVALID_ARGUMENT, "PAGE_TOKEN_INVALID"));
  request.clear_page_token();
  request.add_types(static_cast<v1::Event::Type>(63));
  EXPECT_THAT(List(request), IsError(StatusCode::INVALID_ARGUMENT, "EVENT_TYPE_INVALID"));
  request.clear_types();
  for (int i = 0; i < 65; ++i) request.add_types(v1::Event::MAPPED);
  EXPECT_THAT(List(request), IsError(StatusCode::INVALID_ARGUMENT, "EVENT_TYPE_INVALID"));
  request.clear_types();
  request.set_parent("backends/UPPER");
  EXPECT_THAT(List(request), IsError(StatusCode::INVALID_ARGUMENT, "RESOURCE_NAME_INVALID"));
  request.clear_parent();
  request.set_page_size(-1);
  EXPECT_THAT(List(request), IsError(StatusCode::INVALID_ARGUMENT, "PAGE_SIZE_INVALID"));
}

}  // namespace
}  // namespace shmemd::api
