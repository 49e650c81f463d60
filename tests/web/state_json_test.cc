#include "server/web/state_json.h"

#include <google/protobuf/struct.pb.h>
#include <google/protobuf/util/json_util.h>

#include "tests/web/web_fixture.h"

namespace shmemd::web {
namespace {

using google::protobuf::Struct;
using testing::HasSubstr;
using testing::Not;

class StateJsonTest : public WebTest {
 protected:
  std::string Text(bool with_paths = false, const StateJsonBounds& bounds = {}) {
    CatchUp();
    return StateJson(hub_, &findings_, {"1.2.3", 1'000'000'000, kPage, 1024, kMiB}, with_paths, bounds);
  }
  static Struct Parsed(const std::string& text) {
    Struct out;
    EXPECT_TRUE(google::protobuf::util::JsonStringToMessage(text, &out).ok()) << text.substr(0, 400);
    return out;
  }
  static int Length(const Struct& document, const std::string& list) {
    return document.fields().at(list).list_value().values_size();
  }
  static double Omitted(const Struct& document, const std::string& list) {
    return document.fields().at("omitted").struct_value().fields().at(list).number_value();
  }
};

TEST_F(StateJsonTest, NothingAttachedIsFiveListsOfNothing) {
  const Struct document = Parsed(Text());
  for (const char* list : {"backends", "findings", "regions", "mappings"}) {
    EXPECT_EQ(Length(document, list), 0) << list;
    EXPECT_EQ(Omitted(document, list), 0) << list;
  }
  const auto& server = document.fields().at("serverInfo").struct_value().fields();
  EXPECT_EQ(server.at("version").string_value(), "1.2.3");
  EXPECT_EQ(server.at("backendCount").string_value(), "0");
}

TEST_F(StateJsonTest, ItemsAreSpelledAsTheApiSpellsThem) {
  Publish(AttachActive("gpu0", 16 * kMiB), {feed::Mapped(0, 0x10000, kMiB)});
  const Struct document = Parsed(Text());
  const auto& region = document.fields().at("regions").list_value().values(0).struct_value().fields();
  EXPECT_EQ(region.at("name").string_value(), "backends/gpu0/regions/0");
  EXPECT_EQ(region.at("mappedBytes").string_value(), "1048576");
  EXPECT_EQ(region.at("staleBytes").string_value(), "0");
  const auto& mapping = document.fields().at("mappings").list_value().values(0).struct_value().fields();
  EXPECT_EQ(mapping.at("name").string_value(), "backends/gpu0/regions/0/mappings/0x10000");
  EXPECT_EQ(mapping.at("access").string_value(), "READ_WRITE");
}

TEST_F(StateJsonTest, PathsProcessesAndFilesAreThereOnlyWhenTold) {
  state::Connected connected;
  connected.peer.known = true;
  connected.peer.pid = 4711;
  const auto gpu0 = Attach("gpu0");
  Publish(gpu0,
          {connected, state::RegionReported{16 * kMiB, 0, state::Exposed::kYes}, feed::Mapped(0, 0, kMiB),
           state::FindingRaised{state::FindingCode::kShrinkableBacking,
                                0,
                                {{{state::EvidenceKey::kShmid, 0}, {state::EvidenceKey::kInode, 440937}}}}});
  findings_.Raise(state::FindingCode::kCertificateUnreadable, "/etc/tls.crt: gone",
                  {{"file", "/etc/tls.crt"}});
  for (const char* secret : {"/run/gpu0.sock", "4711", "tls.crt", "inode", "440937"}) {
    EXPECT_THAT(Text(false), Not(HasSubstr(secret)));
    EXPECT_THAT(Text(true), HasSubstr(secret));
  }
}

TEST_F(StateJsonTest, HostileNamesAreStrings) {
  Attach("\"},{\"\x01<\xff");
  Parsed(Text(true));
  findings_.Raise(state::FindingCode::kCertificateUnreadable, "\"\n\\", {});
  Parsed(Text(true));
}

TEST_F(StateJsonTest, ItIsBoundedAndCountsWhatIsLeftOut) {
  for (int b = 0; b < 40; ++b) {
    const auto backend = Attach("b" + std::to_string(b));
    for (int shmid = 0; shmid < 50; ++shmid) {
      Publish(backend, {state::RegionReported{64 * kMiB, static_cast<uint8_t>(shmid), state::Exposed::kYes},
                        feed::Mapped(static_cast<uint8_t>(shmid), 0, kMiB),
                        feed::Mapped(static_cast<uint8_t>(shmid), 2 * kMiB, kMiB)});
    }
    CatchUp();
  }
  const std::string text = Text();
  EXPECT_LT(text.size(), size_t{2200} << 10);
  const Struct document = Parsed(text);
  EXPECT_EQ(Length(document, "backends"), 40);
  EXPECT_GT(Omitted(document, "regions"), 0);
  EXPECT_EQ(Length(document, "regions") + Omitted(document, "regions"), 2000);
  EXPECT_GT(Length(document, "mappings"), 500);
  EXPECT_EQ(Length(document, "mappings") + Omitted(document, "mappings"), 4000);
}

}  // namespace
}  // namespace shmemd::web
