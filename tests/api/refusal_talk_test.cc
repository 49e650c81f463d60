// The HTTP/2 by which refused peers are told why.
#include "server/api/refusal_talk.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/api/errors.h"
#include "tests/api/raw_http2.h"

namespace shmemd::api {
namespace {

using http2::Frame;

grpc::Status Why() { return {grpc::StatusCode::PERMISSION_DENIED, "100 % no\n", "\x01\xff"}; }

// ":status 200" and four literal fields.
std::string Answer(uint32_t stream) {
  const auto field = [](const std::string& name, const std::string& value) {
    return std::string(1, '\0') + static_cast<char>(name.size()) + name + static_cast<char>(value.size()) +
           value;
  };
  return Frame(http2::kHeaders, http2::kEndStream | http2::kEndHeaders, stream,
               "\x88" + field("content-type", "application/grpc") + field("grpc-status", "7") +
                   field("grpc-message", "100 %25 no%0A") + field("grpc-status-details-bin", "Af8="));
}

const std::string kHello = Frame(http2::kSettings, 0, 0);
const std::string kSettingsAck = Frame(http2::kSettings, http2::kAck, 0);

TEST(RefusalTalk, AnswersEachCallWithTheReason) {
  RefusalTalk talk(Why());
  EXPECT_EQ(talk.output(), kHello);
  talk.output().clear();
  const std::string call = Frame(http2::kHeaders, http2::kEndHeaders, 1, http2::CallHeaders("/a/B")) +
                           Frame(http2::kData, http2::kEndStream, 1, http2::EmptyMessage());
  EXPECT_TRUE(talk.Receive(http2::Preface() + call));
  EXPECT_EQ(talk.output(), kSettingsAck + Answer(1));
  talk.output().clear();
  EXPECT_TRUE(talk.Receive(Frame(http2::kSettings, http2::kAck, 0) + Frame(http2::kPing, 0, 0, "12345678")));
  EXPECT_EQ(talk.output(), Frame(http2::kPing, http2::kAck, 0, "12345678"));
  talk.output().clear();
  // Headers in two frames are one call.
  EXPECT_TRUE(talk.Receive(Frame(http2::kHeaders, 0, 3, "abc")));
  EXPECT_EQ(talk.output(), "");
  EXPECT_TRUE(talk.Receive(Frame(9, http2::kEndHeaders, 3, "def")));
  EXPECT_EQ(talk.output(), Answer(3));
}

TEST(RefusalTalk, TornInputSaysTheSame) {
  const std::string input = http2::Preface() +
                            Frame(http2::kHeaders, http2::kEndHeaders, 1, http2::CallHeaders("/a/B")) +
                            Frame(http2::kPing, 0, 0, "12345678");
  RefusalTalk whole(Why());
  EXPECT_TRUE(whole.Receive(input));
  for (size_t piece = 1; piece < input.size(); ++piece) {
    RefusalTalk torn(Why());
    for (size_t at = 0; at < input.size(); at += piece) {
      ASSERT_TRUE(torn.Receive(std::string_view(input).substr(at, piece)));
    }
    EXPECT_EQ(torn.output(), whole.output()) << piece;
  }
}

TEST(RefusalTalk, WhatIsNoHttp2OrTooMuchEnds) {
  EXPECT_FALSE(RefusalTalk(Why()).Receive("GET / HTTP/1.1\r\n"));
  EXPECT_FALSE(
      RefusalTalk(Why()).Receive(http2::Preface() + std::string("\x01\x00\x00\x00\x00\x00\x00\x00\x00", 9)))
      << "a frame of 64 KiB";
  EXPECT_FALSE(RefusalTalk(Why()).Receive(http2::Preface() + Frame(http2::kHeaders, http2::kEndHeaders, 0)));
  EXPECT_FALSE(RefusalTalk(Why()).Receive(http2::Preface() + Frame(http2::kPing, 0, 0, "short")));
  EXPECT_FALSE(RefusalTalk(Why()).Receive(http2::Preface() + Frame(7, 0, 0, std::string(8, '\0'))));
  RefusalTalk talk(Why());
  std::string flood = http2::Preface();
  for (uint32_t stream = 1; stream < 20'001; stream += 2) {
    flood += Frame(http2::kHeaders, http2::kEndHeaders, stream, "x");
  }
  EXPECT_FALSE(talk.Receive(flood));
  EXPECT_LT(talk.output().size(), 10'000U);
}

TEST(RefusalTalk, LongReasonsAreWrittenAsHpackHasThem) {
  RefusalTalk talk({grpc::StatusCode::PERMISSION_DENIED, std::string(1000, 'x')});
  EXPECT_TRUE(talk.Receive(http2::Preface() + Frame(http2::kHeaders, http2::kEndHeaders, 1, "x")));
  // 1000 = 127 + 873; 873 = 105 + 6 * 128.
  EXPECT_THAT(talk.output(),
              testing::HasSubstr(std::string("grpc-message\x7f\xe9\x06", 15) + std::string(1000, 'x')));
}

}  // namespace
}  // namespace shmemd::api
