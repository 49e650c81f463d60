#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/api/api_fixture.h"

namespace shmemd::api {
namespace {

using grpc::StatusCode;
using Stub = v1::ShmemInspector::Stub;

class InspectorTest : public ApiTest {
 protected:
  // gpu0: regions 0, 2 and 5; fs0: never connected.
  void SetUp() override {
    ApiTest::SetUp();
    fleet_.Attach("fs0");
    fleet_.Attach("gpu0");
    fleet_.Connect("gpu0");
    fleet_.Report("gpu0", 0, 0x100000000);
    fleet_.Report("gpu0", 2, 0x100000);
    fleet_.Report("gpu0", 5, 0x10000);
    fleet_.Map("gpu0", 2, 0x10000, 0x4000);
    fleet_.Map("gpu0", 5, 0x0, 0x1000, 0);
  }

  grpc::Status GetRegion(const std::string& name, v1::Region& region, v1::View view = v1::VIEW_UNSPECIFIED) {
    v1::GetRegionRequest request;
    request.set_name(name);
    request.set_view(view);
    return Call(&Stub::GetRegion, request, region);
  }
  grpc::Status GetRegion(const std::string& name) {
    v1::Region region;
    return GetRegion(name, region);
  }
  grpc::Status GetBackend(const std::string& name, v1::Backend& backend,
                          v1::View view = v1::VIEW_UNSPECIFIED) {
    v1::GetBackendRequest request;
    request.set_name(name);
    request.set_view(view);
    return Call(&Stub::GetBackend, request, backend);
  }
  grpc::Status ListMappings(const std::string& parent, v1::ListMappingsResponse& response) {
    v1::ListMappingsRequest request;
    request.set_parent(parent);
    response.Clear();
    return Call(&Stub::ListMappings, request, response);
  }
};

TEST_F(InspectorTest, ServerInfoSaysWhoAnswers) {
  v1::GetServerInfoResponse info;
  ASSERT_TRUE(Call(&Stub::GetServerInfo, v1::GetServerInfoRequest(), info).ok());
  EXPECT_EQ(info.version(), "1.2.3");
  EXPECT_EQ(info.start_time().seconds(), Fleet::kStartNs / 1'000'000'000);
  EXPECT_GT(info.revision(), 0);
  EXPECT_TRUE(info.synced());
  EXPECT_EQ(info.host_page_size_bytes(), 4096);
  EXPECT_EQ(info.max_mappings(), 1024);
  EXPECT_EQ(info.max_window_bytes(), int64_t{1} << 40);
  EXPECT_EQ(info.backend_count(), 2);
}

TEST_F(InspectorTest, BackendsAreListedById) {
  v1::ListBackendsResponse response;
  ASSERT_TRUE(Call(&Stub::ListBackends, v1::ListBackendsRequest(), response).ok());
  ASSERT_EQ(response.backends_size(), 2);
  EXPECT_EQ(response.backends(0).name(), "backends/fs0");
  EXPECT_EQ(response.backends(1).name(), "backends/gpu0");
  EXPECT_EQ(response.backends(1).state(), v1::Backend::ACTIVE);
  EXPECT_EQ(response.backends(1).config().reported_num_regions(), 3);
  EXPECT_EQ(response.backends(1).totals().region_count(), 3);
  EXPECT_EQ(response.backends(1).totals().mapped_bytes(), 0x5000);
  EXPECT_EQ(response.next_page_token(), "");
}

TEST_F(InspectorTest, RegionsOfAllAndOfOne) {
  for (const char* parent : {"", "backends/-", "backends/gpu0"}) {
    v1::ListRegionsRequest request;
    request.set_parent(parent);
    v1::ListRegionsResponse response;
    ASSERT_TRUE(Call(&Stub::ListRegions, request, response).ok()) << parent;
    ASSERT_EQ(response.regions_size(), 3) << parent;
    EXPECT_EQ(response.regions(0).name(), "backends/gpu0/regions/0");
    EXPECT_EQ(response.regions(1).shmid(), 2);
    EXPECT_EQ(response.regions(2).mapped_bytes(), 0x1000);
    EXPECT_EQ(response.regions(2).writable_mapped_bytes(), 0);
  }
}

TEST_F(InspectorTest, ARegionThatIsThere) {
  v1::Region region;
  ASSERT_TRUE(GetRegion("backends/gpu0/regions/2", region).ok());
  EXPECT_EQ(region.size_bytes(), 0x100000);
  EXPECT_EQ(region.mapped_bytes(), 0x4000);
  EXPECT_EQ(region.free_bytes(), 0x100000 - 0x4000);
  EXPECT_EQ(region.free_extent_count(), 2);
}

TEST_F(InspectorTest, WhatIsNotThereSaysWhatIsMissing) {
  EXPECT_THAT(GetRegion("backends/nope/regions/0"), IsError(StatusCode::NOT_FOUND, "BACKEND_NOT_FOUND"));
  EXPECT_THAT(GetRegion("backends/gpu0/regions/1"), IsError(StatusCode::NOT_FOUND, "REGION_UNUSED"));
  EXPECT_THAT(GetRegion("backends/fs0/regions/0"), IsError(StatusCode::NOT_FOUND, "REGION_NOT_FOUND"));
  v1::Backend backend;
  const grpc::Status status = GetBackend("backends/nope", backend);
  EXPECT_THAT(status, IsError(StatusCode::NOT_FOUND, "BACKEND_NOT_FOUND"));
  EXPECT_EQ(ErrorInfoOf(status).metadata().at("backend"), "nope");
  v1::ListMappingsResponse mappings;
  EXPECT_THAT(ListMappings("backends/nope", mappings), IsError(StatusCode::NOT_FOUND, "BACKEND_NOT_FOUND"));
  EXPECT_THAT(ListMappings("backends/gpu0/regions/9", mappings),
              IsError(StatusCode::NOT_FOUND, "REGION_UNUSED"));
}

TEST_F(InspectorTest, ARegionWithoutSizeButWithMappingsIsShown) {
  fleet_.Map("fs0", 4, 0, 0x1000);
  v1::Region region;
  ASSERT_TRUE(GetRegion("backends/fs0/regions/4", region).ok());
  EXPECT_FALSE(region.has_size_bytes());
  EXPECT_EQ(region.mapped_bytes(), 0x1000);
}

TEST_F(InspectorTest, NamesThatAreNoneAreRefused) {
  for (const char* name :
       {"", "backends", "backends/", "backends/GPU0", "gpu0", "backends/-/regions/0",
        "backends/gpu0/regions/256", "backends/gpu0/regions/-1", "backends/gpu0/regions/02",
        "backends/gpu0/regions/", "backends/gpu0/regions/2/mappings/0x0", "backends/gpu0/region/2"}) {
    EXPECT_THAT(GetRegion(name), IsError(StatusCode::INVALID_ARGUMENT, "RESOURCE_NAME_INVALID")) << name;
  }
  EXPECT_THAT(GetRegion(std::string(10000, 'x')),
              IsError(StatusCode::INVALID_ARGUMENT, "RESOURCE_NAME_INVALID"));
  v1::ListMappingsResponse mappings;
  for (const char* parent : {"backends", "regions/2", "backends/gpu0/regions/999", "backends/gpu0/"}) {
    EXPECT_THAT(ListMappings(parent, mappings),
                IsError(StatusCode::INVALID_ARGUMENT, "RESOURCE_NAME_INVALID"))
        << parent;
  }
}

TEST_F(InspectorTest, MappingsByEachFormOfParent) {
  v1::ListMappingsResponse response;
  for (const char* parent :
       {"", "backends/-", "backends/gpu0", "backends/-/regions/-", "backends/gpu0/regions/-"}) {
    ASSERT_TRUE(ListMappings(parent, response).ok()) << parent;
    EXPECT_EQ(response.mappings_size(), 2) << parent;
  }
  for (const char* parent : {"backends/gpu0/regions/2", "backends/-/regions/2"}) {
    ASSERT_TRUE(ListMappings(parent, response).ok()) << parent;
    ASSERT_EQ(response.mappings_size(), 1) << parent;
    EXPECT_EQ(response.mappings(0).name(), "backends/gpu0/regions/2/mappings/0x10000");
    EXPECT_EQ(response.mappings(0).access(), v1::Mapping::READ_WRITE);
  }
  ASSERT_TRUE(ListMappings("backends/gpu0/regions/0", response).ok());
  EXPECT_EQ(response.mappings_size(), 0);
  ASSERT_TRUE(ListMappings("backends/fs0", response).ok());
  EXPECT_EQ(response.mappings_size(), 0);
}

TEST_F(InspectorTest, FindingsComeWithViewFullOnly) {
  fleet_.Apply("gpu0", state::FindingRaised{state::FindingCode::kDeviceNotStarted, state::kWholeBackend, {}});
  fleet_.Apply("gpu0", state::FindingRaised{state::FindingCode::kRegionSizeUnaligned, 2, {}});
  v1::Region region;
  ASSERT_TRUE(GetRegion("backends/gpu0/regions/2", region, v1::VIEW_BASIC).ok());
  EXPECT_EQ(region.findings_size(), 0);
  ASSERT_TRUE(GetRegion("backends/gpu0/regions/2", region).ok());
  ASSERT_GE(region.findings_size(), 1);
  for (const v1::Finding& finding : region.findings())
    EXPECT_EQ(finding.resource(), "backends/gpu0/regions/2");
  v1::Backend backend;
  ASSERT_TRUE(GetBackend("backends/gpu0", backend).ok());
  EXPECT_EQ(backend.findings_size(), backend.totals().open_finding_count());
  EXPECT_EQ(backend.findings(0).resource(), "backends/gpu0");
  ASSERT_TRUE(GetBackend("backends/gpu0", backend, v1::VIEW_BASIC).ok());
  EXPECT_EQ(backend.findings_size(), 0);

  v1::ListRegionsRequest list;
  v1::ListRegionsResponse regions;
  ASSERT_TRUE(Call(&Stub::ListRegions, list, regions).ok());
  EXPECT_EQ(regions.regions(1).findings_size(), 0);
  list.set_view(v1::VIEW_FULL);
  ASSERT_TRUE(Call(&Stub::ListRegions, list, regions).ok());
  EXPECT_GE(regions.regions(1).findings_size(), 1);
}

TEST_F(InspectorTest, ClosedFindingsAreListedOnDemand) {
  const auto count = [&](bool include_closed) {
    v1::ListFindingsRequest request;
    request.set_parent("backends/fs0");
    request.set_include_closed(include_closed);
    v1::ListFindingsResponse response;
    EXPECT_TRUE(Call(&Stub::ListFindings, request, response).ok());
    return response.findings_size();
  };
  fleet_.Apply("fs0", state::FindingRaised{state::FindingCode::kHeaderOdd, state::kWholeBackend, {}});
  EXPECT_EQ(count(false), 1);
  fleet_.Apply("fs0", state::FindingClosed{state::FindingCode::kHeaderOdd, state::kWholeBackend});
  EXPECT_EQ(count(false), 0);
  EXPECT_EQ(count(true), 1);
}

TEST_F(InspectorTest, LayoutIsOfTheRegionAsItIs) {
  v1::GetRegionLayoutRequest request;
  request.set_name("backends/gpu0/regions/2");
  v1::GetRegionLayoutResponse layout;
  ASSERT_TRUE(Call(&Stub::GetRegionLayout, request, layout).ok());
  EXPECT_EQ(layout.region().mapped_bytes(), 0x4000);
  ASSERT_EQ(layout.extents_size(), 3);
  EXPECT_EQ(layout.extents(1).shm_offset_bytes(), 0x10000);
  EXPECT_EQ(layout.extents(1).kind(), v1::LayoutExtent::READ_WRITE);
  EXPECT_FALSE(layout.coarse());

  request.set_max_extents(2);
  ASSERT_TRUE(Call(&Stub::GetRegionLayout, request, layout).ok());
  EXPECT_TRUE(layout.coarse());
  EXPECT_LE(layout.extents_size(), 2);

  request.set_max_extents(-1);
  EXPECT_THAT(Call(&Stub::GetRegionLayout, request, layout),
              IsError(StatusCode::INVALID_ARGUMENT, "MAX_EXTENTS_INVALID"));
}

TEST_F(InspectorTest, ARequestThatIsTooLargeIsRefusedAndTheNextOneIsServed) {
  const grpc::Status status = GetRegion(std::string(size_t{100} * 1024, 'x'));
  EXPECT_EQ(status.error_code(), StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_THAT(GetRegion("backends/gpu0/regions/1"), IsError(StatusCode::NOT_FOUND, "REGION_UNUSED"));
}

}  // namespace
}  // namespace shmemd::api
