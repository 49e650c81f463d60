#include "server/vhost/framer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <algorithm>
#include <climits>
#include <cstdlib>
#include <functional>
#include <random>
#include <string>

#include "server/vhost/codec.h"
#include "tests/golden/golden.h"

namespace shmemd::vhost {
namespace {

using golden::Load;
using ::testing::ElementsAreArray;

struct Message {
  Header header;
  std::vector<uint8_t> payload;
  bool operator==(const Message&) const = default;
};

// A peer's stream, read by MessageReader in pieces.
class Stream {
 public:
  explicit Stream(std::vector<uint8_t> bytes) : bytes_(std::move(bytes)) {}

  absl::StatusOr<std::optional<MessageView>> Read(MessageReader& reader, size_t at_most = SIZE_MAX) {
    const std::span<uint8_t> space = reader.space();
    const size_t n = std::min({at_most, space.size(), bytes_.size() - at_});
    std::copy_n(bytes_.begin() + static_cast<ptrdiff_t>(at_), n, space.begin());
    at_ += n;
    return reader.Advance(n);
  }
  bool at_end() const { return at_ == bytes_.size(); }
  size_t position() const { return at_; }

 private:
  std::vector<uint8_t> bytes_;
  size_t at_ = 0;
};

std::vector<Message> ReadAll(std::vector<uint8_t> bytes, const std::function<size_t()>& piece) {
  MessageReader reader(kMaxPayloadBytes);
  Stream stream(std::move(bytes));
  std::vector<Message> messages;
  while (!stream.at_end()) {
    const auto message = stream.Read(reader, piece());
    EXPECT_TRUE(message.ok()) << message.status();
    if (!message.ok()) break;
    if (*message)
      messages.push_back({(*message)->header, {(*message)->payload.begin(), (*message)->payload.end()}});
  }
  EXPECT_TRUE(reader.at_boundary());
  return messages;
}

std::vector<uint8_t> WellFormedStream(std::vector<Message>* messages) {
  std::vector<uint8_t> stream;
  for (const std::string& name : golden::Names()) {
    if (name == "bad_header_size_max") continue;
    const std::vector<uint8_t> bytes = Load(name);
    stream.insert(stream.end(), bytes.begin(), bytes.end());
    messages->push_back({*DecodeHeader(bytes), {bytes.begin() + kHeaderBytes, bytes.end()}});
  }
  return stream;
}

TEST(MessageReaderTest, AsksForTheHeaderAndThenForExactlyThePayload) {
  MessageReader reader(kMaxPayloadBytes);
  Stream stream(Load("map_read_write"));
  EXPECT_TRUE(reader.at_boundary());
  EXPECT_EQ(reader.space().size(), 12u);

  auto message = stream.Read(reader, 5);
  ASSERT_TRUE(message.ok() && !*message);
  EXPECT_FALSE(reader.at_boundary());
  EXPECT_EQ(reader.space().size(), 7u);

  message = stream.Read(reader);
  ASSERT_TRUE(message.ok() && !*message);
  EXPECT_EQ(reader.space().size(), 40u);

  message = stream.Read(reader);
  ASSERT_TRUE(message.ok() && *message);
  EXPECT_EQ((*message)->header, (Header{9, 0x9, 40}));
  EXPECT_EQ(DecodeMMap((*message)->payload)->len, 0x8000u);
  EXPECT_TRUE(reader.at_boundary());
  EXPECT_EQ(reader.space().size(), 12u);
}

TEST(MessageReaderTest, AMessageWithoutPayloadEndsWithItsHeader) {
  MessageReader reader(0);
  Stream stream(Load("get_shmem_config_request"));
  const auto message = stream.Read(reader);
  ASSERT_TRUE(message.ok() && *message);
  EXPECT_EQ((*message)->header.request, 44u);
  EXPECT_TRUE((*message)->payload.empty());
  EXPECT_TRUE(reader.at_boundary());
}

// fds stay with their message only if no read crosses from one message into the next.
TEST(MessageReaderTest, NeverReadsIntoTheNextMessage) {
  std::vector<uint8_t> bytes = Load("get_shmem_config_request");
  const std::vector<uint8_t> second = Load("set_backend_req_fd");
  bytes.insert(bytes.end(), second.begin(), second.end());
  MessageReader reader(kMaxPayloadBytes);
  Stream stream(bytes);
  const auto message = stream.Read(reader);
  ASSERT_TRUE(message.ok() && *message);
  EXPECT_EQ(stream.position(), 12u);
}

TEST(MessageReaderTest, RandomPiecesGiveTheSameMessages) {
  std::vector<Message> expected;
  const std::vector<uint8_t> stream = WellFormedStream(&expected);
  ASSERT_GT(expected.size(), 40u);
  EXPECT_THAT(ReadAll(stream, [] { return SIZE_MAX; }), ElementsAreArray(expected));
  EXPECT_THAT(ReadAll(stream, [] { return size_t{1}; }), ElementsAreArray(expected));
  for (uint32_t seed = 1; seed <= 50; ++seed) {
    std::mt19937 random(seed);
    std::uniform_int_distribution<size_t> piece(1, seed % 2 == 0 ? 8 : 900);
    ASSERT_EQ(ReadAll(stream, [&] { return piece(random); }), expected) << "seed " << seed;
  }
}

TEST(MessageReaderTest, AnInterruptedReadChangesNothing) {
  MessageReader reader(kMaxPayloadBytes);
  const auto nothing = reader.Advance(0);
  ASSERT_TRUE(nothing.ok() && !*nothing);
  EXPECT_TRUE(reader.at_boundary());
  EXPECT_EQ(reader.space().size(), 12u);
}

TEST(MessageReaderTest, RefusesASizeOverTheLimitForGood) {
  for (const std::string_view name : {"bad_header_size_max", "bad_config_payload_2057"}) {
    MessageReader reader(2056);
    Stream stream(Load(name));
    const auto refused = stream.Read(reader);
    EXPECT_EQ(refused.status().code(), absl::StatusCode::kInvalidArgument) << name;
    EXPECT_TRUE(reader.space().empty());
    EXPECT_FALSE(reader.at_boundary());
    EXPECT_EQ(reader.Advance(0).status(), refused.status());
  }
  MessageReader reader(2056);
  Stream stream(Load("bad_header_size_max"));
  EXPECT_EQ(stream.Read(reader).status().message(),
            "message 44: expected a payload of at most 2056 bytes, got a size of 4294967295");
}

long PeakKib() {
  rusage usage{};
  return getrusage(RUSAGE_SELF, &usage) == 0 ? usage.ru_maxrss : LONG_MAX;
}

// In a process of its own, since a peak never falls: another test's would hide this one's.
TEST(MessageReaderDeathTest, RefusesBeforeItAllocates) {
  constexpr long kAllowedKib = 65536;
  const auto peak_grows = [] {
    const long before_kib = PeakKib();
    MessageReader reader(kMaxPayloadBytes);
    Stream stream(Load("bad_header_size_max"));
    const bool refused = !stream.Read(reader).ok();
    return !refused || PeakKib() - before_kib > kAllowedKib;
  };
  EXPECT_EXIT(std::_Exit(peak_grows() ? 1 : 0), ::testing::ExitedWithCode(0), "");
}

TEST(MessageReaderTest, TakesTheLimitItself) {
  MessageReader reader(2056);
  Stream stream(Load("config_gap"));
  ASSERT_TRUE(stream.Read(reader).ok());
  const auto message = stream.Read(reader);
  ASSERT_TRUE(message.ok() && *message);
  EXPECT_EQ((*message)->payload.size(), 2056u);
}

TEST(MessageReaderTest, MoreBytesThanThereWasSpaceForIsRefused) {
  MessageReader reader(kMaxPayloadBytes);
  EXPECT_EQ(reader.Advance(13).status().code(), absl::StatusCode::kOutOfRange);
  EXPECT_TRUE(reader.space().empty());
}

TEST(MessageReaderTest, EofInsideAMessageIsSeen) {
  const std::vector<uint8_t> bytes = Load("map_read_write");
  for (size_t cut = 1; cut < bytes.size(); ++cut) {
    MessageReader reader(kMaxPayloadBytes);
    Stream stream({bytes.begin(), bytes.begin() + static_cast<ptrdiff_t>(cut)});
    while (!stream.at_end()) {
      const auto message = stream.Read(reader);
      ASSERT_TRUE(message.ok() && !*message) << cut;
    }
    EXPECT_FALSE(reader.at_boundary()) << cut;
  }
}

TEST(PeekFrameTest, TornAtEveryByte) {
  for (const std::string& name : golden::Names()) {
    if (name == "bad_header_size_max") continue;
    const std::vector<uint8_t> message = Load(name);
    for (size_t bytes = 0; bytes < message.size(); ++bytes) {
      const std::vector<uint8_t> torn(message.begin(), message.begin() + static_cast<ptrdiff_t>(bytes));
      const uint64_t known = bytes < kHeaderBytes ? kHeaderBytes : message.size();
      ASSERT_EQ(PeekFrame(torn), (Frame{false, known})) << name << " cut at " << bytes;
    }
    EXPECT_EQ(PeekFrame(message), (Frame{true, message.size()})) << name;
  }
}

TEST(PeekFrameTest, WhatFollowsDoesNotMatter) {
  std::vector<uint8_t> bytes = Load("unmap");
  const std::vector<uint8_t> next = Load("config_gap");
  bytes.insert(bytes.end(), next.begin(), next.end());
  EXPECT_EQ(PeekFrame(bytes), (Frame{true, 52}));
}

TEST(PeekFrameTest, TheLargestSizeDoesNotWrap) {
  EXPECT_EQ(PeekFrame(Load("bad_header_size_max")), (Frame{false, (uint64_t{1} << 32) + 11}));
}

}  // namespace
}  // namespace shmemd::vhost
