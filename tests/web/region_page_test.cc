#include "server/web/region_page.h"

#include "server/web/mapping_choice.h"
#include "tests/web/web_fixture.h"

namespace shmemd::web {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

class RegionPageTest : public WebTest {
 protected:
  // More than fits into the queue while the hub waits; and nobody catches it up.
  void LoseEvents(state::BackendHandle backend) {
    hub_.Read([&](const feed::ReplicaView&) {
      for (size_t i = 0; i <= queue_.capacity(); ++i) publisher_.Publish(backend, state::PeaksReset{});
    });
    const int64_t deadline_ns = feed::InSeconds(10);
    bool synced = true;
    while (synced && base::MonotonicNanos() < deadline_ns) {
      hub_.Read([&](const feed::ReplicaView& view) { synced = view.synced; });
    }
  }
};

TEST_F(RegionPageTest, ItListsMappingsWithWhatTheyAre) {
  const auto gpu0 = AttachActive("gpu0", 16 * kMiB);
  state::MapSettled second = feed::Mapped(0, 8 * kMiB, kMiB);
  second.request.flags = 0;
  second.request.fd_offset = 0x2000;
  second.request.fd.size_bytes = 8192;
  second.request.fd.kind = base::FdKind::kFile;
  second.ack_latency_ns = -1;
  Publish(gpu0, {feed::Mapped(0, 0, kMiB), second});
  const std::string page = PageOfRegion("gpu0", 0);
  EXPECT_THAT(page,
              AllOf(HasSubstr("<h1>gpu0, region 0"), HasSubstr("data-l=\"offset\">0x0</th>"),
                    HasSubstr("data-l=\"offset\">0x800000</th>"), HasSubstr("data-l=\"length\">1 MiB</td>"),
                    HasSubstr("read-only"), HasSubstr("ASSUMED"), HasSubstr("1 MiB beyond its file"),
                    HasSubstr("file of 8 KiB, from 0x2000</td>"), HasSubstr("<a href=\"/#r-gpu0-0\">")));
  EXPECT_THAT(page, Not(HasSubstr("inode"))) << "the identity of a file is for those who are told to see it";
  frame_.with_paths = true;
  EXPECT_THAT(PageOfRegion("gpu0", 0), AllOf(HasSubstr("inode 7 on 0x0"), HasSubstr("/run/gpu0.sock")));
}

TEST_F(RegionPageTest, NothingMappedIsSaid) {
  AttachActive("gpu0", 16 * kMiB);
  EXPECT_THAT(PageOfRegion("gpu0", 0), HasSubstr("Nothing is mapped here at this moment."));
}

TEST_F(RegionPageTest, WhatIsNotFollowedIsNotSaidToBeUnmapped) {
  Publish(Attach("disk0", state::Mode::kProbe),
          {state::Connected{}, state::StateChanged{state::BackendState::kProbed, {}},
           state::RegionReported{16 * kMiB, 0, state::Exposed::kYes}});
  EXPECT_THAT(PageOfRegion("disk0", 0),
              AllOf(HasSubstr("They are not followed: mode probe asks once and leaves"),
                    HasSubstr("<dt>Mapped</dt><dd><span class=\"quiet\">not followed</span>"),
                    HasSubstr("<dt>Free</dt><dd><span class=\"quiet\">not followed</span>"),
                    Not(HasSubstr("Nothing is mapped"))));
}

// A queue that was too short for what came: until the replica has caught up the page says that it lacks
// something.
TEST_F(RegionPageTest, LostEventsAreSaid) {
  const auto gpu0 = AttachActive("gpu0", 16 * kMiB);
  EXPECT_THAT(PageOfRegion("gpu0", 0), Not(HasSubstr("Events were lost")));
  LoseEvents(gpu0);
  const std::optional<RegionDetail> detail = CollectRegion(hub_, "gpu0", 0, false, {});
  ASSERT_TRUE(detail);
  EXPECT_THAT(RegionPage(*detail, frame_), HasSubstr("Events were lost"));
}

TEST_F(RegionPageTest, WhatIsNotThereHasNoPage) {
  AttachActive("gpu0", 16 * kMiB);
  EXPECT_EQ(PageOfRegion("gpu0", 1), "");
  EXPECT_EQ(PageOfRegion("gpu1", 0), "");
}

TEST_F(RegionPageTest, ItIsBoundedAndKeepsWhatIsUnsafe) {
  const auto gpu0 = AttachActive("gpu0", uint64_t{65536} * kMiB);
  for (uint64_t i = 0; i < 6000; ++i) {
    state::MapSettled map = feed::Mapped(0, 2 * i * kPage, kPage);
    if (i == 5000) map.request.fd.size_bytes = 0;
    Publish(gpu0, {map});
    if (i % 1000 == 0) CatchUp();
  }
  const std::string page = PageOfRegion("gpu0", 0);
  EXPECT_LT(page.size(), size_t{256} << 10);
  EXPECT_THAT(page, AllOf(HasSubstr("400 of them are shown"), HasSubstr("0x2710000</th>"),
                          HasSubstr("shmemctl mappings gpu0/0"), HasSubstr("at worst beyond the file")));
}

TEST(MappingChoiceTest, HalfOfThePlacesAreForUnsafeOnes) {
  state::BackingPool pool;
  state::RegionTable table(pool);
  table.SetSize(1000 * kPage);
  for (uint64_t i = 0; i < 100; ++i) {
    state::Mapping mapping;
    mapping.shm_offset = i * kPage;
    mapping.len = kPage;
    mapping.fd.kind = base::FdKind::kMemfd;
    mapping.fd.size_bytes = i < 50 ? int64_t{1} << 40 : 0;
    table.Insert(mapping);
  }
  const auto count_unsafe = [](const std::vector<state::Mapping>& list) {
    return std::count_if(list.begin(), list.end(), IsUnsafe);
  };
  EXPECT_EQ(ChooseMappings(table, 20).size(), 20U);
  EXPECT_EQ(count_unsafe(ChooseMappings(table, 20)), 10);
  EXPECT_EQ(ChooseMappings(table, 80).size(), 80U);
  EXPECT_EQ(count_unsafe(ChooseMappings(table, 80)), 40);
  EXPECT_EQ(ChooseMappings(table, 200).size(), 100U);
  EXPECT_EQ(ChooseMappings(table, 0).size(), 0U);
  EXPECT_EQ(ChooseMappings(table, 1).size(), 1U);
}

}  // namespace
}  // namespace shmemd::web
