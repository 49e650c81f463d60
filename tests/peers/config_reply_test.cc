// The answers to GET_SHMEM_CONFIG against bytes that were written down by hand.
#include <gmock/gmock.h>

#include "tests/peers/backend_thread.h"
#include "tests/peers/misbehaviour.h"
#include "tests/peers/peers_fixture.h"

namespace shmemd::peers {
namespace {

using ConfigReplyTest = PeersTest;
using Form = ConfigReply::Form;

std::string Zeros(size_t bytes) {
  std::string hex;
  for (size_t i = 0; i < bytes; i += 4) hex += " 00000000";
  return hex;
}

// What a front-end reads until `bytes` have come.
std::string AskFor(size_t bytes, Script script) {
  script.steps.clear();
  BackendThread backend(std::move(script));
  RawFrontend frontend(backend.socket_path());
  frontend.Handshake();
  frontend.Send("2c000000 01000000 00000000");
  return frontend.Receive(bytes);
}

Script WithRegions(Regions regions, Form form = Form::kFull) {
  Script script = DefaultScript();
  script.regions = std::move(regions);
  script.config_reply.form = form;
  return script;
}

constexpr uint64_t kMiB = uint64_t{1} << 20;
constexpr uint64_t kGiB = uint64_t{1} << 30;

TEST_F(ConfigReplyTest, FullFormWithAGap) {
  EXPECT_EQ(
      AskFor(2068, WithRegions({{0, kMiB}, {2, kGiB}})),
      "2c000000 05000000 08080000 02000000 00000000 00001000 00000000 00000000 00000000 00000040 00000000" +
          Zeros(2024));
}

TEST_F(ConfigReplyTest, FullFormWithoutAGap) {
  EXPECT_EQ(AskFor(2068, WithRegions({{0, kMiB}, {1, kGiB}})),
            "2c000000 05000000 08080000 02000000 00000000 00001000 00000000 00000040 00000000" + Zeros(2032));
}

TEST_F(ConfigReplyTest, FullFormWithoutRegions) {
  EXPECT_EQ(AskFor(2068, WithRegions({})), "2c000000 05000000 08080000 00000000 00000000" + Zeros(2048));
}

TEST_F(ConfigReplyTest, TruncatedFormWithoutAGap) {
  EXPECT_EQ(AskFor(36, WithRegions({{0, kMiB}, {1, kGiB}}, Form::kTruncated)),
            "2c000000 05000000 18000000 02000000 00000000 00001000 00000000 00000040 00000000");
}

TEST_F(ConfigReplyTest, TruncatedFormCountsOrSpans) {
  EXPECT_EQ(
      AskFor(44, WithRegions({{0, kMiB}, {2, kGiB}}, Form::kTruncated)),
      "2c000000 05000000 20000000 02000000 00000000 00001000 00000000 00000000 00000000 00000040 00000000");
  EXPECT_EQ(
      AskFor(44, WithRegions({{0, kMiB}, {2, kGiB}}, Form::kTruncatedSpan)),
      "2c000000 05000000 20000000 03000000 00000000 00001000 00000000 00000000 00000000 00000040 00000000");
}

TEST_F(ConfigReplyTest, DefaultHasRegions0And2And5) {
  EXPECT_EQ(
      AskFor(2068, DefaultScript()),
      "2c000000 05000000 08080000 03000000 00000000 00000004 00000000 00000000 00000000 00000001 00000000"
      " 00000000 00000000 00000000 00000000 00004000 00000000" +
          Zeros(2000));
}

}  // namespace
}  // namespace shmemd::peers
