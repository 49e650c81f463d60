#include "server/web/attention.h"

#include "tests/web/web_fixture.h"

namespace shmemd::web {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

class AttentionTest : public WebTest {
 protected:
  // "gpu0/2: what", or "gpu0: CODE what".
  std::vector<std::string> Said() {
    std::vector<std::string> out;
    for (const Concern& concern : ConcernsOf(Collect())) {
      std::string places;
      for (const Place& place : concern.places) {
        places.append(places.empty() ? "" : ",").append(place.backend_id);
        if (place.shmid) places.append("/").append(std::to_string(*place.shmid));
      }
      out.push_back(places + ": " + (concern.code.empty() ? concern.what : concern.code));
    }
    return out;
  }
};

TEST_F(AttentionTest, AHealthyBackendNeedsNone) {
  const auto gpu0 = AttachActive("gpu0", 16 * kMiB);
  Publish(gpu0, {feed::Mapped(0, 0, kMiB)});
  EXPECT_THAT(Said(), IsEmpty());
}

TEST_F(AttentionTest, FullAndNearlyFull) {
  const auto full = AttachActive("full", 4 * kMiB);
  Publish(full, {feed::Mapped(0, 0, 4 * kMiB)});
  const auto nearly = AttachActive("nearly", 100 * kMiB);
  Publish(nearly, {feed::Mapped(0, 0, 95 * kMiB)});
  EXPECT_THAT(Said(), ElementsAre("full/0: is full: the next SHMEM_MAP will fail",
                                  "nearly/0: is 95 % full: 5 MiB are free, 5 MiB in one piece"));
}

// The thresholds of the alerts and of shmemctl doctor, to the byte.
TEST_F(AttentionTest, NineTenthsAreNotYetNearlyFull) {
  Publish(AttachActive("nine", 10 * kMiB), {feed::Mapped(0, 0, 9 * kMiB)});
  Publish(AttachActive("more", 10 * kMiB), {feed::Mapped(0, 0, 9 * kMiB + kPage)});
  EXPECT_THAT(Said(), ElementsAre(HasSubstr("more/0: is 90 % full")));
}

// The device was reset in a session that goes on: a map replaces what is STALE.
TEST_F(AttentionTest, WhatIsStaleIsRoom) {
  const auto vm0 = Attach("vm0", state::Mode::kRelay);
  Publish(vm0, {state::Connected{}, state::StateChanged{state::BackendState::kActive, {}},
                state::RegionReported{4 * kMiB, 0, state::Exposed::kYes}, feed::Mapped(0, 0, 4 * kMiB)});
  EXPECT_THAT(Said(), ElementsAre("vm0/0: is full: the next SHMEM_MAP will fail"));
  Publish(vm0, {state::MappingsStaled{}});
  EXPECT_THAT(Said(), ElementsAre("vm0/0: 4 MiB are unsafe to touch: their owner may be gone (STALE)"));
}

TEST_F(AttentionTest, NothingIsSaidOfRoomWhereMappingsAreNotFollowed) {
  const auto vm0 = Attach("vm0", state::Mode::kRelay);
  Publish(vm0, {state::Connected{}, state::StateChanged{state::BackendState::kActive, {}},
                state::RegionReported{4 * kMiB, 0, state::Exposed::kYes}, feed::Mapped(0, 0, 4 * kMiB),
                state::ObservationChanged{{state::UnobservedReason::kTooManyPending}}});
  EXPECT_THAT(Said(), ElementsAre(HasSubstr("vm0: is not followed")));
  Publish(vm0, {state::Disconnected{state::BackendState::kDisconnected, {}}});
  EXPECT_THAT(Said(), Not(testing::Contains(HasSubstr("full"))));
}

TEST_F(AttentionTest, BytesAtRiskComeOnceWithTheirFinding) {
  const auto gpu0 = AttachActive("gpu0", 16 * kMiB);
  state::MapSettled short_file = feed::Mapped(0, 0, kMiB);
  short_file.request.fd.size_bytes = 4096;
  Publish(gpu0, {short_file});
  EXPECT_THAT(Said(),
              ElementsAre(HasSubstr("gpu0/0: 1020 KiB are unsafe to touch: beyond the end of a file")));
}

TEST_F(AttentionTest, ALostBackendOfARelay) {
  const auto vm0 = Attach("vm0", state::Mode::kRelay);
  Publish(vm0,
          {state::Connected{}, state::StateChanged{state::BackendState::kActive, {}},
           state::RegionReported{16 * kMiB, 0, state::Exposed::kYes}, feed::Mapped(0, 0, kMiB),
           state::MappingsStaled{},
           state::Disconnected{state::BackendState::kDisconnected, {state::StateReason::kClosedByBackend}}});
  EXPECT_THAT(Said(), ElementsAre("vm0: is DISCONNECTED: the back-end closed the connection",
                                  "vm0/0: 1 MiB are unsafe to touch: their owner may be gone (STALE)"));
}

TEST_F(AttentionTest, WhatOnlyGrowsMayLeak) {
  const auto leak = AttachActive("leak", 1024 * kMiB);
  const auto fine = AttachActive("fine", 1024 * kMiB);
  for (uint64_t i = 0; i < 20; ++i) {
    const state::MapSettled map = feed::Mapped(0, i * kMiB, kMiB);
    const state::UnmapSettled unmap = feed::Unmapped(0, i * kMiB, kMiB);
    Publish(leak, {state::MapRequested{map.request}, map});
    Publish(fine, {state::MapRequested{map.request}, map, state::UnmapRequested{unmap.request}, unmap,
                   state::MapRequested{map.request}, map});
  }
  EXPECT_THAT(Said(), ElementsAre(HasSubstr("leak/0: only grows")));
}

TEST_F(AttentionTest, AFindingStandsOnceForAllItsPlaces) {
  for (const char* id : {"a", "b", "c"}) {
    Publish(AttachActive(id, kMiB),
            {state::FindingRaised{state::FindingCode::kNoReplyAck, state::kWholeBackend, {}},
             state::FindingRaised{state::FindingCode::kPaddingNonzero, state::kWholeBackend, {}}});
  }
  EXPECT_THAT(Said(), ElementsAre("a,b,c: NO_REPLY_ACK")) << "and what is only worth knowing is left out";
}

TEST_F(AttentionTest, ABackendThatNeverCameAndOneWithoutSharedMemory) {
  Publish(Attach("gone"),
          {state::StateChanged{state::BackendState::kConnecting, {state::StateReason::kSocketMissing}}});
  Publish(Attach("plain"),
          {state::StateChanged{state::BackendState::kUnsupported, {state::StateReason::kShmemNotOffered}}});
  Publish(Attach("new"), {state::StateChanged{state::BackendState::kConnecting, {}}});
  EXPECT_THAT(Said(),
              ElementsAre(HasSubstr("gone: is CONNECTING: connect: "), HasSubstr("plain: is UNSUPPORTED")));
}

TEST_F(AttentionTest, ProblemsComeFirstAndThenNames) {
  AttachActive("a", kMiB);
  AttachActive("b", kMiB);
  Publish(AttachActive("z", kMiB), {feed::Mapped(0, 0, kMiB)});
  std::vector<std::string> ids;
  for (const BackendView& backend : Collect().backends) ids.push_back(backend.record.spec.id);
  EXPECT_THAT(ids, ElementsAre("z", "a", "b"));
}

}  // namespace
}  // namespace shmemd::web
