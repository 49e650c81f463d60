#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <set>
#include <vector>

#include "server/api/page_token.h"
#include "server/convert/resource_names.h"
#include "tests/api/api_fixture.h"

namespace shmemd::api {
namespace {

using grpc::StatusCode;
using testing::ElementsAre;
using testing::SizeIs;
using Stub = v1::ShmemInspector::Stub;

class PagingTest : public ApiTest {
 protected:
  // Names of all mappings below `parent`, page by page; `between` runs after each page.
  std::vector<std::string> AllMappings(
      const std::string& parent, int page_size, const std::function<void(int)>& between = [](int) {}) {
    std::vector<std::string> names;
    v1::ListMappingsRequest request;
    request.set_parent(parent);
    request.set_page_size(page_size);
    for (int page = 0;; ++page) {
      v1::ListMappingsResponse response;
      const grpc::Status status = Call(&Stub::ListMappings, request, response);
      EXPECT_TRUE(status.ok()) << status.error_message();
      if (!status.ok()) return names;
      EXPECT_LE(response.mappings_size(), page_size);
      for (const v1::Mapping& mapping : response.mappings()) names.push_back(mapping.name());
      if (response.next_page_token().empty()) return names;
      request.set_page_token(response.next_page_token());
      between(page);
    }
  }

  void MapMany(const std::string& id, uint8_t shmid, int count) {
    for (int i = 0; i < count; ++i) fleet_.Map(id, shmid, static_cast<uint64_t>(i) * 2 * kPage, kPage);
  }
};

TEST_F(PagingTest, AThousandRegionsInPages) {
  for (const char* id : {"a", "b", "c", "d"}) {
    fleet_.Attach(id);
    fleet_.Connect(id);
    for (int shmid = 0; shmid < 250; ++shmid) fleet_.Report(id, static_cast<uint8_t>(shmid), 0x1000);
  }
  std::set<std::string> names;
  v1::ListRegionsRequest request;
  int pages = 0;
  do {
    v1::ListRegionsResponse response;
    ASSERT_TRUE(Call(&Stub::ListRegions, request, response).ok());
    EXPECT_EQ(response.regions_size(), 100);
    for (const v1::Region& region : response.regions()) EXPECT_TRUE(names.insert(region.name()).second);
    request.set_page_token(response.next_page_token());
    ++pages;
  } while (!request.page_token().empty());
  EXPECT_EQ(pages, 10);
  EXPECT_THAT(names, SizeIs(1000));

  request.set_page_size(5000);
  v1::ListRegionsResponse response;
  ASSERT_TRUE(Call(&Stub::ListRegions, request, response).ok());
  EXPECT_EQ(response.regions_size(), 1000);
  EXPECT_EQ(response.next_page_token(), "");
}

TEST_F(PagingTest, AMappingThatLivesThroughTheListingIsListedOnceWhateverElseHappens) {
  fleet_.Attach("a");
  fleet_.Attach("b");
  MapMany("a", 0, 300);
  MapMany("a", 255, 200);
  MapMany("b", 7, 500);
  // Every third mapping goes, others come between those that stay, back-ends come and go.
  int step = 0;
  const auto names = AllMappings("", 7, [&](int page) {
    const uint64_t slot = static_cast<uint64_t>(step++ * 3 % 500);
    fleet_.Unmap("b", 7, slot * 2 * kPage, kPage);
    fleet_.Map("b", 7, (slot * 2 + 1) * kPage, kPage);
    if (page % 2 == 0) fleet_.Attach("aa");
    if (page % 2 == 1) fleet_.Detach("aa");
    fleet_.Map("a", 255, (10000 + slot) * kPage, kPage);
  });
  const std::set<std::string> unique(names.begin(), names.end());
  EXPECT_EQ(unique.size(), names.size()) << "something was listed twice";
  for (int i = 0; i < 300; ++i) {
    EXPECT_EQ(unique.count(convert::MappingName("a", 0, static_cast<uint64_t>(i) * 2 * kPage)), 1) << i;
  }
  for (int i = 0; i < 200; ++i) {
    EXPECT_EQ(unique.count(convert::MappingName("a", 255, static_cast<uint64_t>(i) * 2 * kPage)), 1) << i;
  }
  for (int i = 1; i < 500; i += 3) {
    EXPECT_EQ(unique.count(convert::MappingName("b", 7, static_cast<uint64_t>(i) * 2 * kPage)), 1) << i;
  }
}

TEST_F(PagingTest, ABackendThatGoesBetweenPagesEndsItsPartOfTheList) {
  fleet_.Attach("a");
  fleet_.Attach("b");
  MapMany("a", 0, 10);
  MapMany("b", 0, 3);
  const auto names = AllMappings("", 4, [&](int page) {
    if (page == 0) fleet_.Detach("a");
  });
  EXPECT_THAT(names, SizeIs(7));
}

TEST_F(PagingTest, TheVeryLastOffsetEndsTheList) {
  fleet_.Attach("a");
  fleet_.Map("a", 0, ~uint64_t{0} - kPage + 1, kPage);
  fleet_.Map("a", 3, 0, kPage);
  EXPECT_THAT(AllMappings("backends/a", 1), SizeIs(2));
}

TEST_F(PagingTest, FindingsInPagesOfOne) {
  fleet_.Attach("a");
  const auto raise = [&](state::FindingCode code, int16_t shmid) {
    fleet_.Apply("a", state::FindingRaised{code, shmid, {}});
  };
  raise(state::FindingCode::kMapOverlap, 3);
  raise(state::FindingCode::kHeaderOdd, state::kWholeBackend);
  raise(state::FindingCode::kMapUnaligned, 3);
  std::vector<std::string> codes;
  v1::ListFindingsRequest request;
  request.set_page_size(1);
  do {
    v1::ListFindingsResponse response;
    ASSERT_TRUE(Call(&Stub::ListFindings, request, response).ok());
    for (const v1::Finding& finding : response.findings()) codes.push_back(finding.code());
    request.set_page_token(response.next_page_token());
  } while (!request.page_token().empty());
  EXPECT_THAT(codes, ElementsAre("HEADER_ODD", "MAP_OVERLAP", "MAP_UNALIGNED"));
}

TEST_F(PagingTest, APageOfManyFindingsStaysBelowWhatClientsTake) {
  for (int i = 0; i < 60; ++i) {
    const std::string id = "b" + std::to_string(i);
    fleet_.Attach(id);
    fleet_.RaiseEveryFinding(id);
  }
  v1::ListBackendsRequest request;
  request.set_view(v1::VIEW_FULL);
  std::set<std::string> names;
  do {
    v1::ListBackendsResponse response;
    const grpc::Status status = Call(&Stub::ListBackends, request, response);
    ASSERT_TRUE(status.ok()) << status.error_message();
    ASSERT_LT(response.ByteSizeLong(), 2u << 20);
    for (const v1::Backend& backend : response.backends()) EXPECT_TRUE(names.insert(backend.name()).second);
    request.set_page_token(response.next_page_token());
  } while (!request.page_token().empty());
  EXPECT_THAT(names, SizeIs(60));
}

TEST_F(PagingTest, ATokenIsGoodForItsOwnRequestOnly) {
  fleet_.Attach("a");
  fleet_.Attach("b");
  MapMany("a", 0, 10);
  v1::ListMappingsRequest request;
  request.set_parent("backends/a");
  request.set_page_size(3);
  v1::ListMappingsResponse response;
  ASSERT_TRUE(Call(&Stub::ListMappings, request, response).ok());
  const std::string token = response.next_page_token();
  ASSERT_NE(token, "");

  request.set_page_token(token);
  request.set_page_size(5);  // may change between pages
  EXPECT_TRUE(Call(&Stub::ListMappings, request, response).ok());
  request.set_parent("backends/b");
  EXPECT_THAT(Call(&Stub::ListMappings, request, response),
              IsError(StatusCode::INVALID_ARGUMENT, "PAGE_TOKEN_INVALID"));
  v1::ListRegionsRequest regions;
  regions.set_parent("backends/a");
  regions.set_page_token(token);
  v1::ListRegionsResponse regions_response;
  EXPECT_THAT(Call(&Stub::ListRegions, regions, regions_response),
              IsError(StatusCode::INVALID_ARGUMENT, "PAGE_TOKEN_INVALID"));
}

TEST_F(PagingTest, ATokenOfOpenFindingsIsNotOneOfAllFindings) {
  fleet_.Attach("a");
  fleet_.Apply("a", state::FindingRaised{state::FindingCode::kMapOverlap, 3, {}});
  fleet_.Apply("a", state::FindingRaised{state::FindingCode::kHeaderOdd, 3, {}});
  v1::ListFindingsRequest request;
  request.set_page_size(1);
  v1::ListFindingsResponse response;
  ASSERT_TRUE(Call(&Stub::ListFindings, request, response).ok());
  request.set_page_token(response.next_page_token());
  request.set_include_closed(true);
  EXPECT_THAT(Call(&Stub::ListFindings, request, response),
              IsError(StatusCode::INVALID_ARGUMENT, "PAGE_TOKEN_INVALID"));
}

TEST_F(PagingTest, ANegativePageSizeIsRefused) {
  v1::ListBackendsRequest request;
  request.set_page_size(-1);
  v1::ListBackendsResponse response;
  EXPECT_THAT(Call(&Stub::ListBackends, request, response),
              IsError(StatusCode::INVALID_ARGUMENT, "PAGE_SIZE_INVALID"));
}

TEST_F(PagingTest, AMillionMappingsArePagedQuickly) {
  constexpr int kCount = 1'000'000;
  fleet_.Attach("a");
  fleet_.Connect("a");
  fleet_.Report("a", 0, uint64_t{kCount} * 2 * kPage);
  MapMany("a", 0, kCount);
  v1::ListMappingsRequest request;
  request.set_page_size(1000);
  const auto start = std::chrono::steady_clock::now();
  int64_t listed = 0;
  int pages = 0;
  // Pages from all over the list: the cost of a page does not depend on where it is.
  for (; pages < 100; ++pages) {
    const uint64_t offset = static_cast<uint64_t>(pages) * (kCount / 100) * 2 * kPage;
    request.set_page_token(EncodePageToken("mappings\n\n0\n\n", {"a", 0, offset}));
    v1::ListMappingsResponse response;
    ASSERT_TRUE(Call(&Stub::ListMappings, request, response).ok());
    listed += response.mappings_size();
  }
  const auto took = std::chrono::steady_clock::now() - start;
  EXPECT_EQ(listed, 100'000);
  const double page_ms = std::chrono::duration<double, std::milli>(took).count() / pages;
  RecordProperty("page_ms", std::to_string(page_ms));
  EXPECT_LT(page_ms, 250);

  v1::GetRegionLayoutRequest layout_request;
  layout_request.set_name("backends/a/regions/0");
  v1::GetRegionLayoutResponse layout;
  ASSERT_TRUE(Call(&Stub::GetRegionLayout, layout_request, layout).ok());
  EXPECT_TRUE(layout.coarse());
  ASSERT_EQ(layout.extents_size(), 1);
  EXPECT_EQ(layout.extents(0).mapping_count(), kCount);
}

TEST(PageTokenTest, ATokenComesBackAsItWas) {
  const PageKey key{"gpu0.a-b", -1, ~uint64_t{0}};
  EXPECT_EQ(DecodePageToken("list", EncodePageToken("list", key)), key);
  EXPECT_EQ(DecodePageToken("other", EncodePageToken("list", key)), std::nullopt);
}

TEST(PageTokenTest, DamageIsNoticed) {
  const std::string token = EncodePageToken("list", {"gpu0", 3, 77});
  for (size_t length = 0; length < token.size(); ++length) {
    EXPECT_EQ(DecodePageToken("list", token.substr(0, length)), std::nullopt) << length;
  }
  for (size_t i = 0; i + 1 < token.size(); ++i) {
    std::string damaged = token;
    damaged[i] = damaged[i] == 'A' ? 'B' : 'A';
    EXPECT_EQ(DecodePageToken("list", damaged), std::nullopt) << i;
  }
  EXPECT_EQ(DecodePageToken("list", std::string(100000, 'A')), std::nullopt);
  EXPECT_EQ(DecodePageToken("list", "not base64 at all!"), std::nullopt);
}

}  // namespace
}  // namespace shmemd::api
