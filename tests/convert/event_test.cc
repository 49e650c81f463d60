#include "server/convert/event.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <string>
#include <utility>

namespace shmemd::convert {
namespace {

using testing::HasSubstr;
using testing::Not;

state::LogEntry EntryOf(const state::EventBody& body) {
  state::LogEntry entry;
  entry.revision = 7;
  entry.wall_time_ns = 1'500'000'000;
  entry.backend_id = "gpu0";
  entry.body = body;
  return entry;
}

v1::Event EventOf(const state::EventBody& body) { return ToProto(EntryOf(body)); }

state::MapRequest MapOf() {
  state::MapRequest request;
  request.shmid = 2;
  request.shm_offset = 0x1000;
  request.len = 0x2000;
  request.fd_offset = 0x3000;
  request.flags = 1;
  request.fd_count = 1;
  request.need_reply = true;
  request.fd.kind = base::FdKind::kMemfd;
  return request;
}

// Every body by its index, as it is made by default.
template <size_t... kIndex>
std::vector<state::EventBody> EveryBody(std::index_sequence<kIndex...>) {
  return {state::EventBody(std::in_place_index<kIndex>)...};
}

TEST(Event, EveryKindHasATypeOfItsOwnAndWords) {
  std::set<int> types;
  for (const state::EventBody& body :
       EveryBody(std::make_index_sequence<std::variant_size_v<state::EventBody>>())) {
    if (!state::IsLogged(body)) continue;
    const v1::Event event = EventOf(body);
    EXPECT_TRUE(types.insert(event.type()).second) << body.index();
    EXPECT_NE(event.type(), v1::Event::TYPE_UNSPECIFIED) << body.index();
    EXPECT_NE(event.summary(), "") << body.index();
    EXPECT_EQ(event.backend(), "backends/gpu0");
    EXPECT_EQ(event.revision(), 7);
    EXPECT_EQ(event.event_time().seconds(), 1);
  }
  state::LogEntry entry = EntryOf({});
  for (auto [kind, type] : {std::pair(state::LogKind::kAttached, v1::Event::ATTACHED),
                            std::pair(state::LogKind::kDetached, v1::Event::DETACHED),
                            std::pair(state::LogKind::kLost, v1::Event::EVENTS_LOST)}) {
    entry.kind = kind;
    EXPECT_EQ(ToProto(entry).type(), type);
    EXPECT_NE(ToProto(entry).summary(), "");
  }
}

TEST(Event, TheTypeIsThatOfItsBody) {
  EXPECT_EQ(EventOf(state::Connected{}).type(), v1::Event::CONNECTED);
  EXPECT_EQ(EventOf(state::Disconnected{}).type(), v1::Event::DISCONNECTED);
  EXPECT_EQ(EventOf(state::MapRequested{}).type(), v1::Event::MAP_REQUESTED);
  EXPECT_EQ(EventOf(state::UnmapRequested{}).type(), v1::Event::UNMAP_REQUESTED);
  EXPECT_EQ(EventOf(state::FindingClosed{}).type(), v1::Event::FINDING_CLOSED);
  EXPECT_EQ(EventOf(state::PeaksReset{}).type(), v1::Event::PEAKS_RESET);
  EXPECT_FALSE(EventOf(state::PeaksReset{}).has_shmid());
  EXPECT_EQ(EventOf(state::PeaksReset{5}).shmid(), 5);
  EXPECT_EQ(EventOf(state::MappingEchoed{}).type(), v1::Event::MAPPING_ECHOED);
  EXPECT_EQ(EventOf(state::GuardActed{}).type(), v1::Event::GUARD_ACTED);
}

TEST(Event, AMapHasItsRequestAndItsLatency) {
  const v1::Event event = EventOf(state::MapSettled{MapOf(), 2500});
  EXPECT_EQ(event.type(), v1::Event::MAPPED);
  EXPECT_EQ(event.shmid(), 2);
  EXPECT_EQ(event.request().shm_offset_bytes(), 0x1000);
  EXPECT_EQ(event.request().length_bytes(), 0x2000);
  EXPECT_EQ(event.request().fd_offset_bytes(), 0x3000);
  EXPECT_EQ(event.request().raw_flags(), 1);
  EXPECT_EQ(event.request().fd_count(), 1);
  EXPECT_TRUE(event.request().need_reply());
  EXPECT_EQ(event.request().backing().kind(), v1::Backing::MEMFD);
  EXPECT_EQ(event.latency().nanos(), 2500);
  EXPECT_EQ(event.summary(), "SHMEM_MAP of 0x2000 bytes at 0x1000");
  EXPECT_FALSE(event.has_error_number());
}

TEST(Event, WhatFailedSaysWhy) {
  const v1::Event refused = EventOf(state::MapSettled{MapOf(), 2500, 22});
  EXPECT_EQ(refused.type(), v1::Event::MAP_FAILED);
  EXPECT_EQ(refused.failure(), "refused");
  EXPECT_EQ(refused.error_number(), 22);
  EXPECT_THAT(refused.summary(), HasSubstr("failed: refused"));
  const v1::Event overlap = EventOf(state::UnmapSettled{{}, -1, 0, state::RequestFailure::kPartial});
  EXPECT_EQ(overlap.type(), v1::Event::UNMAP_FAILED);
  EXPECT_EQ(overlap.failure(), "partial");
  EXPECT_FALSE(overlap.has_latency());
  EXPECT_FALSE(overlap.request().has_fd_offset_bytes());
}

TEST(Event, AStateSaysItsReason) {
  state::Disconnected lost;
  lost.state = state::BackendState::kDisconnected;
  lost.cause.reason = state::StateReason::kClosedByBackend;
  const v1::Event event = EventOf(lost);
  EXPECT_EQ(event.state(), v1::Backend::DISCONNECTED);
  EXPECT_EQ(event.state_reason(), v1::Backend::CLOSED_BY_BACKEND);
  EXPECT_THAT(event.summary(), testing::StartsWith("DISCONNECTED: "));
  EXPECT_FALSE(event.has_shmid());
}

TEST(Event, AFindingIsNamedAndBelongsToItsRegion) {
  const v1::Event of_region = EventOf(state::FindingRaised{state::FindingCode::kMapOverlap, 5, {}});
  EXPECT_EQ(of_region.finding_code(), "MAP_OVERLAP");
  EXPECT_EQ(of_region.shmid(), 5);
  EXPECT_THAT(of_region.summary(), Not(testing::IsEmpty()));
  EXPECT_FALSE(
      EventOf(state::FindingRaised{state::FindingCode::kHeaderOdd, state::kWholeBackend, {}}).has_shmid());
}

}  // namespace
}  // namespace shmemd::convert
