// LookupMapping, and ListMappings with a filter and an order.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "server/api/mapping_filter.h"
#include "server/convert/resource_names.h"
#include "tests/api/api_fixture.h"

namespace shmemd::api {
namespace {

using grpc::StatusCode;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using Stub = v1::ShmemInspector::Stub;

std::string Name(uint64_t offset, uint8_t shmid = 0, const std::string& id = "a") {
  return convert::MappingName(id, shmid, offset);
}

class MappingQueryTest : public ApiTest {
 protected:
  void SetUp() override {
    ApiTest::SetUp();
    fleet_.Attach("a");
    fleet_.Connect("a");
    fleet_.Report("a", 0, 0x100000);
  }

  grpc::Status Lookup(const std::string& name, int64_t offset, v1::LookupMappingResponse& response) {
    v1::LookupMappingRequest request;
    request.set_name(name);
    request.set_shm_offset_bytes(offset);
    return Call(&Stub::LookupMapping, request, response);
  }
  grpc::Status Lookup(const std::string& name, int64_t offset) {
    v1::LookupMappingResponse response;
    return Lookup(name, offset, response);
  }

  // All names, page by page; `between` runs after each page.
  std::vector<std::string> All(
      v1::ListMappingsRequest request, int page_size, const std::function<void()>& between = [] {}) {
    std::vector<std::string> names;
    request.set_page_size(page_size);
    while (true) {
      v1::ListMappingsResponse response;
      const grpc::Status status = Call(&Stub::ListMappings, request, response);
      EXPECT_TRUE(status.ok()) << status.error_message();
      if (!status.ok()) return names;
      for (const v1::Mapping& mapping : response.mappings()) names.push_back(mapping.name());
      if (response.next_page_token().empty()) return names;
      request.set_page_token(response.next_page_token());
      between();
    }
  }
  std::vector<std::string> Filtered(const std::string& filter, int page_size = 1) {
    v1::ListMappingsRequest request;
    request.set_filter(filter);
    return All(request, page_size);
  }
  std::vector<std::string> Ordered(const std::string& order, int page_size = 1) {
    v1::ListMappingsRequest request;
    request.set_order_by(order);
    return All(request, page_size);
  }
  grpc::Status List(const v1::ListMappingsRequest& request) {
    v1::ListMappingsResponse response;
    return Call(&Stub::ListMappings, request, response);
  }

  void MapFile(uint64_t shm_offset, uint64_t len, uint64_t fd_offset, int64_t file_bytes) {
    state::MapSettled settled;
    settled.request.shm_offset = shm_offset;
    settled.request.len = len;
    settled.request.fd_offset = fd_offset;
    settled.request.fd_count = 1;
    settled.request.fd.kind = base::FdKind::kMemfd;
    settled.request.fd.size_bytes = file_bytes;
    fleet_.Apply("a", settled);
  }
};

TEST_F(MappingQueryTest, AnOffsetIsFoundInItsMappingAndInItsFile) {
  MapFile(0x4000, 0x2000, 0x10000, 0x100000);
  v1::LookupMappingResponse found;
  ASSERT_TRUE(Lookup("backends/a/regions/0", 0x5001, found).ok());
  EXPECT_EQ(found.mapping().name(), Name(0x4000));
  EXPECT_EQ(found.fd_offset_bytes(), 0x11001);
  EXPECT_EQ(found.remaining_bytes(), 0xfff);
  ASSERT_TRUE(Lookup("backends/a/regions/0", 0x4000, found).ok());
  EXPECT_EQ(found.fd_offset_bytes(), 0x10000);
  EXPECT_EQ(found.remaining_bytes(), 0x2000);
}

TEST_F(MappingQueryTest, WhereNothingIsMappedTheErrorSaysSo) {
  MapFile(0x4000, 0x2000, 0, 0x100000);
  const grpc::Status below = Lookup("backends/a/regions/0", 0x3fff);
  EXPECT_THAT(below, IsError(StatusCode::NOT_FOUND, "MAPPING_NOT_FOUND"));
  EXPECT_EQ(ErrorInfoOf(below).metadata().at("shm_offset"), "0x3fff");
  EXPECT_THAT(Lookup("backends/a/regions/0", 0x6000), IsError(StatusCode::NOT_FOUND, "MAPPING_NOT_FOUND"));
  EXPECT_THAT(Lookup("backends/a/regions/9", 0), IsError(StatusCode::NOT_FOUND, "REGION_UNUSED"));
  EXPECT_THAT(Lookup("backends/b/regions/0", 0), IsError(StatusCode::NOT_FOUND, "BACKEND_NOT_FOUND"));
  EXPECT_THAT(Lookup("backends/a/regions/0", -1), IsError(StatusCode::INVALID_ARGUMENT, "OFFSET_INVALID"));
  EXPECT_THAT(Lookup("backends/a", 0), IsError(StatusCode::INVALID_ARGUMENT, "RESOURCE_NAME_INVALID"));
}

TEST_F(MappingQueryTest, AFileOffsetBeyondAllNumbersIsShownAsTheLargest) {
  MapFile(0, 0x2000, ~uint64_t{0} - 0x10, -1);
  v1::LookupMappingResponse found;
  ASSERT_TRUE(Lookup("backends/a/regions/0", 0x1000, found).ok());
  EXPECT_EQ(found.fd_offset_bytes(), std::numeric_limits<int64_t>::max());
}

TEST_F(MappingQueryTest, FiltersTakeWhatTheySay) {
  MapFile(0x0000, 0x1000, 0, 0x100000);
  MapFile(0x2000, 0x2000, 0x1000, 0x1000);  // begins at the end of its file
  fleet_.Map("a", 0, 0x8000, 0x3000);
  EXPECT_THAT(Filtered(""), ElementsAre(Name(0), Name(0x2000), Name(0x8000)));
  EXPECT_THAT(Filtered("at_risk = true"), ElementsAre(Name(0x2000)));
  EXPECT_THAT(Filtered("at_risk=false"), ElementsAre(Name(0), Name(0x8000)));
  EXPECT_THAT(Filtered("state = ASSUMED"), ElementsAre(Name(0), Name(0x2000)));
  EXPECT_THAT(Filtered("state != ASSUMED"), ElementsAre(Name(0x8000)));
  EXPECT_THAT(Filtered("access = READ_WRITE"), ElementsAre(Name(0x8000)));
  EXPECT_THAT(Filtered("length_bytes > 4096 AND shm_offset_bytes<0x8000"), ElementsAre(Name(0x2000)));
  EXPECT_THAT(Filtered("fd_offset_bytes >= 0x1000"), ElementsAre(Name(0x2000)));
  EXPECT_THAT(Filtered("state = STALE"), IsEmpty());
  fleet_.Apply("a", state::MappingsStaled{});
  EXPECT_THAT(Filtered("state = STALE AND at_risk = true", 2),
              ElementsAre(Name(0), Name(0x2000), Name(0x8000)));
}

TEST_F(MappingQueryTest, OrdersAreByLengthAndAge) {
  fleet_.Map("a", 0, 0x9000, 0x2000);
  fleet_.Map("a", 0, 0x1000, 0x3000);
  fleet_.Map("a", 0, 0x5000, 0x2000);
  EXPECT_THAT(Ordered("shm_offset_bytes"), ElementsAre(Name(0x1000), Name(0x5000), Name(0x9000)));
  EXPECT_THAT(Ordered("length_bytes"), ElementsAre(Name(0x5000), Name(0x9000), Name(0x1000)));
  EXPECT_THAT(Ordered("length_bytes desc"), ElementsAre(Name(0x1000), Name(0x5000), Name(0x9000)));
  EXPECT_THAT(Ordered("request_time"), ElementsAre(Name(0x9000), Name(0x1000), Name(0x5000)));
  EXPECT_THAT(Ordered("request_time desc"), ElementsAre(Name(0x5000), Name(0x1000), Name(0x9000)));
}

TEST_F(MappingQueryTest, InEveryOrderWhatLivesThroughTheListingIsListedOnce) {
  constexpr uint64_t kCount = 3000;  // more than one slice
  for (const char* order : {"", "length_bytes", "length_bytes desc", "request_time", "request_time desc"}) {
    SCOPED_TRACE(order);
    fleet_.Detach("a");
    fleet_.Attach("a");
    for (uint64_t i = 0; i < kCount; ++i) fleet_.Map("a", 0, i * 8 * kPage, (i * 7 % 5 + 1) * kPage);
    uint64_t step = 0;
    v1::ListMappingsRequest request;
    request.set_order_by(order);
    request.set_filter("length_bytes <= 16384");
    const auto names = All(request, 211, [&] {
      // Some go, some come with every length, at offsets all over the region.
      for (int i = 0; i < 20; ++i, ++step) {
        fleet_.Unmap("a", 0, step * 3 % kCount / 3 * 3 * 8 * kPage,
                     (step * 3 % kCount / 3 * 3 * 7 % 5 + 1) * kPage);
        fleet_.Map("a", 0, (step * 31 % kCount * 8 + 6) * kPage, (step % 2 + 1) * kPage);
      }
    });
    const std::set<std::string> unique(names.begin(), names.end());
    EXPECT_EQ(unique.size(), names.size()) << "something was listed twice";
    for (uint64_t i = 0; i < kCount; ++i) {
      const bool wanted = i * 7 % 5 + 1 <= 4;
      if (i % 3 == 0) continue;  // may be gone
      EXPECT_EQ(unique.count(Name(i * 8 * kPage)), wanted ? 1 : 0) << i;
    }
  }
}

TEST_F(MappingQueryTest, ATokenIsBoundToFilterAndOrder) {
  fleet_.Map("a", 0, 0x0000, 0x1000);
  fleet_.Map("a", 0, 0x1000, 0x1000);
  v1::ListMappingsRequest request;
  request.set_page_size(1);
  request.set_order_by("length_bytes");
  v1::ListMappingsResponse response;
  ASSERT_TRUE(Call(&Stub::ListMappings, request, response).ok());
  request.set_page_token(response.next_page_token());
  EXPECT_TRUE(List(request).ok());
  request.set_order_by("length_bytes desc");
  EXPECT_THAT(List(request), IsError(StatusCode::INVALID_ARGUMENT, "PAGE_TOKEN_INVALID"));
  request.set_order_by("length_bytes");
  request.set_filter("state = MAPPED");
  EXPECT_THAT(List(request), IsError(StatusCode::INVALID_ARGUMENT, "PAGE_TOKEN_INVALID"));
}

TEST_F(MappingQueryTest, WrongFiltersAndOrdersAreRefusedInWords) {
  const std::map<std::string, std::string> wrong = {
      {"size = 4", "expected state, access, at_risk"},
      {"state", "expected = or !="},
      {"state > MAPPED", "expected = or !="},
      {"state = mapped", "expected MAPPED, ASSUMED or STALE"},
      {"access = RW", "expected READ_ONLY or READ_WRITE"},
      {"at_risk = 1", "expected true or false"},
      {"length_bytes = many", "expected a number of bytes, got \"many\""},
      {"length_bytes = 99999999999999999999", "expected a number"},
      {"length_bytes = 0x", "expected a number"},
      {"state = STALE OR at_risk = true", "expected AND"},
      {"state = STALE AND", "expected AND and another comparison"},
      {"state = STALE;", "expected AND"},
      {std::string("\xff\x00", 2), "got \"\\xff\\x00\""},
      {std::string(100000, ' '), "expected at most 512 bytes, got 100000"},
  };
  for (const auto& [filter, words] : wrong) {
    const auto parsed = MappingFilter::Parse(filter);
    ASSERT_FALSE(parsed.ok()) << filter;
    EXPECT_THAT(std::string(parsed.status().message()), HasSubstr(words));
  }
  std::string many = "state=STALE";
  for (int i = 0; i < 16; ++i) many += " AND state=STALE";
  EXPECT_THAT(std::string(MappingFilter::Parse(many).status().message()), HasSubstr("at most 16"));

  v1::ListMappingsRequest request;
  request.set_filter("size = 4");
  EXPECT_THAT(List(request), IsError(StatusCode::INVALID_ARGUMENT, "FILTER_INVALID"));
  request.clear_filter();
  request.set_order_by("inode");
  EXPECT_THAT(List(request), IsError(StatusCode::INVALID_ARGUMENT, "ORDER_BY_INVALID"));
}

}  // namespace
}  // namespace shmemd::api
