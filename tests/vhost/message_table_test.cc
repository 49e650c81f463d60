#include "server/vhost/message_table.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

#include "server/vhost/codec.h"
#include "tests/golden/golden.h"

namespace shmemd::vhost {
namespace {

std::set<uint32_t> IdsWhere(Channel channel, bool (*matches)(const MessageInfo&)) {
  std::set<uint32_t> ids;
  for (const MessageInfo& message : Messages(channel)) {
    if (matches(message)) ids.insert(message.id);
  }
  return ids;
}

using Ids = std::set<uint32_t>;

TEST(MessageTableTest, EveryIdIsThere) {
  for (uint32_t id = 1; id <= 44; ++id) {
    ASSERT_NE(FindMessage(Channel::kMain, id), nullptr) << id;
    EXPECT_EQ(FindMessage(Channel::kMain, id)->id, id);
  }
  for (uint32_t id = 1; id <= 12; ++id) EXPECT_NE(FindMessage(Channel::kBackend, id), nullptr) << id;
  for (uint32_t id = 1000; id <= 1007; ++id) EXPECT_NE(FindMessage(Channel::kBackend, id), nullptr) << id;
  EXPECT_EQ(Messages(Channel::kMain).size(), 45u);  // and crosvm's former 1004
  EXPECT_EQ(Messages(Channel::kBackend).size(), 20u);
}

TEST(MessageTableTest, UnknownIds) {
  for (uint32_t id : {0u, 45u, 1000u, 1003u, 1005u, 0xffffffffu}) {
    EXPECT_EQ(FindMessage(Channel::kMain, id), nullptr) << id;
  }
  for (uint32_t id : {0u, 13u, 44u, 999u, 1008u, 0xffffffffu}) {
    EXPECT_EQ(FindMessage(Channel::kBackend, id), nullptr) << id;
  }
}

TEST(MessageTableTest, RowsAreCompleteAndNamesUnique) {
  for (Channel channel : {Channel::kMain, Channel::kBackend}) {
    std::set<std::string_view> names;
    for (const MessageInfo& message : Messages(channel)) {
      EXPECT_EQ(message.channel, channel) << message.id;
      EXPECT_FALSE(message.name.empty()) << message.id;
      EXPECT_FALSE(message.source.empty()) << message.id;
      EXPECT_TRUE(names.insert(message.name).second) << message.name;
      for (const Part& part : {message.request, message.reply}) {
        EXPECT_LE(part.payload_bytes.min, part.payload_bytes.max) << message.id;
        EXPECT_LE(part.fds.min, part.fds.max) << message.id;
        EXPECT_LE(part.fds.max, 8u) << message.id;
      }
    }
  }
}

TEST(MessageTableTest, TheChannelsHaveSeparateIds) {
  EXPECT_EQ(FindMessage(Channel::kMain, 9)->name, "SET_VRING_ADDR");
  EXPECT_EQ(FindMessage(Channel::kBackend, 9)->name, "SHMEM_MAP");
}

TEST(MessageTableTest, GetShmemConfig) {
  const MessageInfo& message = *FindMessage(Channel::kMain, Id(FrontendRequest::kGetShmemConfig));
  EXPECT_EQ(message.name, "GET_SHMEM_CONFIG");
  EXPECT_EQ(message.request, (Part{PayloadKind::kNone, {0, 0}, {0, 0}}));
  EXPECT_EQ(message.reply_kind, ReplyKind::kOwn);
  EXPECT_EQ(message.reply, (Part{PayloadKind::kShmemConfig, {8, 2056}, {0, 0}}));
}

TEST(MessageTableTest, MapCarriesOneFdAndUnmapNone) {
  EXPECT_EQ(FindMessage(Channel::kBackend, 9)->request, (Part{PayloadKind::kMMap, {40, 40}, {1, 1}}));
  EXPECT_EQ(FindMessage(Channel::kBackend, 10)->request, (Part{PayloadKind::kMMap, {40, 40}, {0, 0}}));
}

TEST(MessageTableTest, WhichMessagesMayCarryFds) {
  const auto in_request = [](const MessageInfo& message) { return message.request.fds.max > 0; };
  const auto in_reply = [](const MessageInfo& message) { return message.reply.fds.max > 0; };
  EXPECT_EQ(IdsWhere(Channel::kMain, in_request), (Ids{5, 6, 7, 12, 13, 14, 21, 32, 33, 37, 38, 42}));
  EXPECT_EQ(IdsWhere(Channel::kMain, in_reply), (Ids{28, 31, 41, 42}));
  EXPECT_EQ(IdsWhere(Channel::kBackend, in_request), (Ids{3, 9, 1000, 1002, 1005, 1006}));
  EXPECT_EQ(IdsWhere(Channel::kBackend, in_reply), (Ids{}));
  EXPECT_EQ(FindMessage(Channel::kMain, 5)->request.fds, (Range{0, 8}));
}

TEST(MessageTableTest, WhichRequestsAreAnsweredWithoutNeedReply) {
  const auto answered = [](const MessageInfo& message) { return ExpectsReply(message, kRequestFlags, {}); };
  EXPECT_EQ(IdsWhere(Channel::kMain, answered),
            (Ids{1, 11, 15, 17, 22, 24, 26, 28, 29, 30, 31, 36, 40, 41, 42, 43, 44, 1004}));
  EXPECT_EQ(IdsWhere(Channel::kBackend, answered), (Ids{8, 1006, 1007}));

  const auto with_log = [](const MessageInfo& message) {
    return !ExpectsReply(message, kRequestFlags, {}) &&
           ExpectsReply(message, kRequestFlags, {.log_shmfd_negotiated = true});
  };
  const auto in_postcopy = [](const MessageInfo& message) {
    return !ExpectsReply(message, kRequestFlags, {}) &&
           ExpectsReply(message, kRequestFlags, {.postcopy_listening = true});
  };
  EXPECT_EQ(IdsWhere(Channel::kMain, with_log), (Ids{6}));
  EXPECT_EQ(IdsWhere(Channel::kMain, in_postcopy), (Ids{5, 37}));
}

TEST(MessageTableTest, EveryRequestWithNeedReplyIsAnswered) {
  for (Channel channel : {Channel::kMain, Channel::kBackend}) {
    for (const MessageInfo& message : Messages(channel)) {
      EXPECT_TRUE(ExpectsReply(message, kRequestWithAckFlags, {})) << message.name;
    }
  }
}

TEST(MessageTableTest, PayloadBounds) {
  const auto request = [](uint32_t id) { return FindMessage(Channel::kMain, id)->request.payload_bytes; };
  const auto reply = [](uint32_t id) { return FindMessage(Channel::kMain, id)->reply.payload_bytes; };
  EXPECT_EQ(request(1), (Range{0, 0}));
  EXPECT_EQ(request(5), (Range{8, 8 + 8 * 40}));  // eight regions, each with the addition of XEN_MMAP
  EXPECT_EQ(request(6), (Range{8, 16}));
  EXPECT_EQ(request(9), (Range{40, 40}));
  EXPECT_EQ(request(16), (Range{8, 8}));
  EXPECT_EQ(request(21), (Range{0, 0}));
  EXPECT_EQ(request(24), (Range{12, 268}));
  EXPECT_EQ(request(31), (Range{20, 24}));
  EXPECT_EQ(request(37), (Range{40, 48}));
  EXPECT_EQ(request(41), (Range{0, 16}));
  EXPECT_EQ(reply(24), (Range{0, 268}));
  EXPECT_EQ(reply(28), (Range{0, 0}));
}

// The golden messages as a second witness of the table.
TEST(MessageTableTest, FitsTheGoldenMessages) {
  for (const std::string& name : golden::Names()) {
    if (name.starts_with("bad_")) continue;
    const std::vector<uint8_t> bytes = golden::Load(name);
    const Header header = *DecodeHeader(bytes);
    const bool on_backend_channel = name.find("map") != std::string::npos;
    const MessageInfo* message =
        FindMessage(on_backend_channel ? Channel::kBackend : Channel::kMain, header.request);
    ASSERT_NE(message, nullptr) << name;
    const bool ack = header.is_reply() && message->reply_kind == ReplyKind::kAck;
    const Range bounds = ack                 ? Range{8, 8}
                         : header.is_reply() ? message->reply.payload_bytes
                                             : message->request.payload_bytes;
    EXPECT_TRUE(bounds.contains(header.size)) << name << " has " << header.size << " bytes";
  }
}

}  // namespace
}  // namespace shmemd::vhost
