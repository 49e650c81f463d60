#include "client/print/address_map.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>
#include <string>

#include "client/print/text.h"
#include "tests/client/fake_shmemd.h"
#include "tests/client/golden_file.h"

namespace shmemd::client {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

PrintStyle Style(int width, bool utf8) {
  return {.terminal = {.width = width, .utf8 = utf8, .color = false},
          .wide = false,
          .bytes = false,
          .headers = true};
}

v1::Region RegionOf(const std::string& name, int64_t size_bytes, int64_t mapped_bytes) {
  v1::Region region;
  region.set_name(name);
  region.set_shmid(1);
  if (size_bytes > 0) region.set_size_bytes(size_bytes);
  region.set_mapped_bytes(mapped_bytes);
  region.set_host_page_size_bytes(4096);
  return region;
}

v1::ListMappingsResponse MappingsOf(const CannedData& data, const std::string& region) {
  v1::ListMappingsResponse list;
  for (const v1::Mapping& mapping : data.mappings) {
    if (mapping.name().starts_with(region + "/")) *list.add_mappings() = mapping;
  }
  return list;
}

// Every kind of picture one below the other, so that a person sees them together.
std::string Gallery(const PrintStyle& style) {
  const CannedData data = SampleData();
  std::string text;
  for (const auto& layout : data.layouts) {
    text += RenderAddressMap(layout, MappingsOf(data, layout.region().name()), style) + "\n";
  }
  const auto full =
      LayoutOf(RegionOf("backends/full/regions/1", 65536, 65536), "READ_WRITE 49152 READ_ONLY 16384");
  const auto huge = LayoutOf(RegionOf("backends/huge/regions/1", int64_t{1} << 40, 4096),
                             "FREE 687194767360 READ_WRITE 4096 FREE 412316856320");
  const auto odd = LayoutOf(RegionOf("backends/odd/regions/1", 3221229568, 1073741824),
                            "FREE 1073741824 READ_ONLY 1073741824 FREE 1073745920");
  const auto unknown =
      LayoutOf(RegionOf("backends/unknown/regions/1", 0, 12288), "READ_WRITE 8192 FREE 40960 READ_ONLY 4096");
  for (const auto& layout : {full, huge, odd, unknown}) text += RenderAddressMap(layout, {}, style) + "\n";
  return text;
}

TEST(AddressMap, LooksAsInTheGoldenFiles) {
  ExpectGolden("map_80_utf8.txt", Gallery(Style(80, true)));
  ExpectGolden("map_200_utf8.txt", Gallery(Style(200, true)));
  ExpectGolden("map_80_ascii.txt", Gallery(Style(80, false)));
  ExpectGolden("map_200_ascii.txt", Gallery(Style(200, false)));
}

TEST(AddressMap, NeverWrapsAtAnyWidth) {
  for (int width = 30; width <= 300; ++width) {
    for (const bool utf8 : {true, false}) {
      std::istringstream lines(Gallery(Style(width, utf8)));
      for (std::string line; std::getline(lines, line);) ASSERT_LE(DisplayWidth(line), width) << line;
    }
  }
}

TEST(AddressMap, AsciiPictureIsAscii) {
  for (const char c : Gallery(Style(80, false))) ASSERT_LT(static_cast<unsigned char>(c), 0x80);
}

TEST(AddressMap, ColoursEachKind) {
  PrintStyle style = Style(80, true);
  style.terminal.color = true;
  const auto layout = LayoutOf(RegionOf("backends/b/regions/1", 262144, 0),
                               "READ_WRITE 65536 READ_ONLY 65536 AT_RISK 65536 FREE 65536");
  const std::string text = RenderAddressMap(layout, {}, style);
  EXPECT_THAT(text, HasSubstr("\x1b[32m████████████████\x1b[0m\x1b[34m▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒\x1b[0m"
                              "\x1b[31m▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓\x1b[0m\x1b[2m░░░░░░░░░░░░░░░░\x1b[0m"));
}

TEST(AddressMap, TinyMappingInTheLargestRegionIsSeen) {
  const auto layout =
      LayoutOf(RegionOf("backends/b/regions/1", INT64_MAX, 1), "FREE 4611686018427387904 READ_WRITE 1");
  EXPECT_THAT(RenderAddressMap(layout, {}, Style(80, false)), HasSubstr("|+..."));
}

TEST(AddressMap, HostileRoleCannotSteerTheTerminal) {
  v1::Region region = RegionOf("backends/b/regions/1", 4096, 0);
  region.set_role("\x1b[2Jrole\n");
  const std::string text = RenderAddressMap(LayoutOf(region, "FREE 4096"), {}, Style(80, true));
  EXPECT_THAT(text, Not(HasSubstr("\x1b")));
  EXPECT_THAT(text, HasSubstr("\\x1b[2Jrole\\x0a"));
}

}  // namespace
}  // namespace shmemd::client
