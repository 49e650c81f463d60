// One million mappings in one region: everything that is shown of it stays quick.
#include <gtest/gtest.h>

#include <string>

#include "tests/component/readers.h"

namespace shmemd::component {
namespace {

using feed::kPage;

constexpr uint64_t kMappings = 1'000'000;
#if defined(__SANITIZE_ADDRESS__)
constexpr int64_t kPatienceMs = 10'000;
#else
constexpr int64_t kPatienceMs = 1'000;
#endif

template <typename Do>
void ExpectQuick(const std::string& what, Do done) {
  const int64_t begin_ns = base::MonotonicNanos();
  done();
  const int64_t took_us = (base::MonotonicNanos() - begin_ns) / 1000;
  EXPECT_LT(took_us, kPatienceMs * 1000) << what;
  testing::Test::RecordProperty(what + "_us", static_cast<int>(took_us));
}

// A page mapped, a page free.
void PublishAll(Readers& readers) {
  const state::BackendHandle gpu0 = readers.publisher().Attach(feed::Spec("gpu0"));
  readers.publisher().Publish(gpu0, state::Connected{});
  readers.publisher().Publish(gpu0, state::RegionReported{2 * kMappings * kPage, 0, state::Exposed::kYes});
  for (uint64_t i = 0; i < kMappings; ++i) {
    readers.publisher().Publish(gpu0, feed::Mapped(0, 2 * i * kPage, kPage));
    if (i % 4096 == 0) readers.publisher().ResyncStep();
  }
}

TEST(MillionMappings, ListsLayoutAndScrapeStayQuick) {
  Readers readers(8192);
  PublishAll(readers);
  ASSERT_TRUE(readers.CatchUp());

  v1::GetRegionRequest get;
  get.set_name("backends/gpu0/regions/0");
  v1::Region region;
  ExpectQuick("region", [&] { ASSERT_TRUE(readers.inspector().GetRegion(get, region).ok()); });
  EXPECT_EQ(region.mapping_count(), static_cast<int64_t>(kMappings));
  EXPECT_EQ(region.mapped_bytes(), static_cast<int64_t>(kMappings * kPage));
  EXPECT_EQ(region.free_extent_count(), static_cast<int64_t>(kMappings));
  EXPECT_EQ(region.largest_free_extent_bytes(), static_cast<int64_t>(kPage));

  v1::GetRegionLayoutRequest layout;
  layout.set_name(get.name());
  layout.set_max_extents(200);
  v1::GetRegionLayoutResponse picture;
  ExpectQuick("layout", [&] { ASSERT_TRUE(readers.inspector().GetRegionLayout(layout, picture).ok()); });
  EXPECT_TRUE(picture.coarse());
  EXPECT_LE(picture.extents_size(), 200);
  int64_t counted = 0;
  for (const v1::LayoutExtent& extent : picture.extents()) counted += extent.mapping_count();
  EXPECT_GE(counted, static_cast<int64_t>(kMappings));

  ExpectQuick("scrape", [&] {
    const BytesOfRegions expected = {{{"gpu0", 0}, kMappings * kPage}};
    EXPECT_EQ(readers.ScrapedBytes("vhost_shmem_mapped_bytes"), expected);
  });
}

TEST(MillionMappings, EveryPageOfTheListIsQuickAndNoneIsMissing) {
  Readers readers(8192);
  PublishAll(readers);
  ASSERT_TRUE(readers.CatchUp());
  v1::ListMappingsRequest request;
  request.set_page_size(1000);
  uint64_t next = 0;
  do {
    v1::ListMappingsResponse response;
    ExpectQuick("page", [&] { ASSERT_TRUE(readers.inspector().ListMappings(request, response).ok()); });
    for (const v1::Mapping& mapping : response.mappings()) {
      ASSERT_EQ(mapping.shm_offset_bytes(), static_cast<int64_t>(2 * next * kPage));
      ++next;
    }
    request.set_page_token(response.next_page_token());
  } while (!request.page_token().empty() && !testing::Test::HasFailure());
  EXPECT_EQ(next, kMappings);
}

}  // namespace
}  // namespace shmemd::component
