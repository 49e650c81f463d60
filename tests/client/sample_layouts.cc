// The canned pictures of the tests.
#include <gtest/gtest.h>

#include <sstream>
#include <string>
#include <vector>

#include "tests/client/fake_shmemd.h"

namespace shmemd::client {

v1::GetRegionLayoutResponse LayoutOf(const v1::Region& region, const std::string& extents) {
  v1::GetRegionLayoutResponse layout;
  *layout.mutable_region() = region;
  std::istringstream words(extents);
  std::string kind_name;
  int64_t length = 0;
  int64_t offset = 0;
  while (words >> kind_name >> length) {
    v1::LayoutExtent::Kind kind = v1::LayoutExtent::KIND_UNSPECIFIED;
    EXPECT_TRUE(v1::LayoutExtent::Kind_Parse(kind_name, &kind)) << kind_name;
    v1::LayoutExtent& extent = *layout.add_extents();
    extent.set_shm_offset_bytes(offset);
    extent.set_length_bytes(length);
    extent.set_kind(kind);
    extent.set_mapping_count(kind == v1::LayoutExtent::FREE ? 0 : 1);
    offset += length;
  }
  return layout;
}

std::vector<v1::GetRegionLayoutResponse> SampleLayouts(const std::vector<v1::Region>& regions) {
  return {LayoutOf(regions[0], ""),
          LayoutOf(regions[1],
                   "READ_WRITE 67108864 FREE 201326592 READ_ONLY 16773120 FREE 1862275072 AT_RISK 4096 FREE "
                   "2147479552"),
          LayoutOf(regions[2], "FREE 4096 READ_WRITE 20480 FREE 4169728"), LayoutOf(regions[3], "FREE 4096")};
}

}  // namespace shmemd::client
