#include "client/print/structured.h"

#include <gtest/gtest.h>

#include "tests/client/fake_shmemd.h"
#include "tests/client/golden_file.h"

namespace shmemd::client {
namespace {

TEST(Json, ZerosThatAreSetArePrinted) {
  v1::Region region;
  region.set_shmid(0);
  region.set_mapped_bytes(0);
  region.set_size_bytes(int64_t{1} << 40);
  EXPECT_EQ(ToJson(region),
            "{\n \"shmid\": 0,\n \"sizeBytes\": \"1099511627776\",\n \"mappedBytes\": \"0\"\n}\n");
}

TEST(Json, EmptyListIsAList) {
  EXPECT_EQ(ToJson(v1::ListRegionsResponse(), "regions"), "{\n \"regions\": []\n}\n");
  EXPECT_EQ(ToJson(v1::ListRegionsResponse()), "{}\n");
}

TEST(Json, DocumentsOfSeveralAreLaidOutLikeOne) {
  v1::ListRegionsResponse list;
  list.add_regions()->set_name("one \"1\"");
  list.add_regions()->set_name("two\nlines");
  std::vector<std::string> regions;
  for (const v1::Region& region : list.regions()) regions.push_back(ToJson(region));
  EXPECT_EQ(JsonObject({{"regions", JsonArray(regions)}}), ToJson(list));
  EXPECT_EQ(JsonObject({{"regions", JsonArray({})}}), ToJson(v1::ListRegionsResponse(), "regions"));
  EXPECT_EQ(JsonObject({}), "{}\n");
  EXPECT_EQ(JsonWithField(JsonObject({{"b", "1"}}), "a", "[]"), JsonObject({{"a", "[]"}, {"b", "1"}}));
  EXPECT_EQ(JsonWithField(JsonObject({}), "a", "2"), JsonObject({{"a", "2"}}));
  EXPECT_EQ(JsonString("a \"b\""), R"("a \"b\"")");
}

TEST(Yaml, SameStructureAsJson) {
  v1::ListMappingsResponse mappings;
  for (const v1::Mapping& mapping : SampleData().mappings) *mappings.add_mappings() = mapping;
  ExpectGolden("mappings.json", ToJson(mappings, "mappings"));
  ExpectGolden("mappings.yaml", JsonToYaml(ToJson(mappings, "mappings")));
}

TEST(Yaml, TextThatLooksLikeSomethingElseStaysText) {
  EXPECT_EQ(
      JsonToYaml(
          R"({"a": "12", "b": "true", "c": "No", "d": "0x10", "e": "plain-word", "f": "a: b", "g": ""})"),
      "a: \"12\"\nb: \"true\"\nc: \"No\"\nd: \"0x10\"\ne: plain-word\nf: \"a: b\"\ng: \"\"\n");
}

TEST(Yaml, NestedAndEmpty) {
  EXPECT_EQ(JsonToYaml(R"({"a": [], "b": {}, "c": [1, {"d": [true, "x\"]},"]}], "e": {"f": -1.5}})"),
            "a: []\nb: {}\nc:\n  - 1\n  - d:\n      - true\n      - \"x\\\"]},\"\ne:\n  f: -1.5\n");
}

TEST(Yaml, TornJsonEnds) {
  const std::string json = R"({"a": [{"b": "c\"d", "e": [1, 2]}], "f": {"g": "h"}})";
  for (size_t length = 0; length < json.size(); ++length)
    EXPECT_FALSE(JsonToYaml(json.substr(0, length)).empty());
}

TEST(JsonLine, IsOneLine) {
  v1::ListMappingsResponse list;
  EXPECT_EQ(ToJsonLine(list, "mappings"), "{\"mappings\":[]}\n");
  EXPECT_EQ(ToJsonLine(list), "{}\n");
  list.add_mappings()->set_name("a\nb");
  EXPECT_EQ(ToJsonLine(list, "mappings"), "{\"mappings\":[{\"name\":\"a\\nb\"}]}\n");
}

}  // namespace
}  // namespace shmemd::client
