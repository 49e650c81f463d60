#include "server/session/map_message.h"

#include <gtest/gtest.h>

#include <cstring>
#include <vector>

namespace shmemd::session {
namespace {

// Golden: shmid 2, fd_offset 0x2000, shm_offset 0x10000, len 0x8000, read-write.
std::vector<uint8_t> Payload() {
  std::vector<uint8_t> payload(40);
  payload[0] = 2;
  payload[9] = 0x20;
  payload[18] = 0x01;
  payload[25] = 0x80;
  payload[32] = 1;
  return payload;
}

constexpr uint32_t kNeedReply = 0x9;

TEST(MapMessage, CarriesEveryFieldAndTheFactsOfTheDescriptor) {
  const std::vector<uint8_t> payload = Payload();
  const base::FdFacts facts{.device = 1, .inode = 5, .size_bytes = 0x10000, .kind = base::FdKind::kMemfd};
  const absl::StatusOr<state::MapRequest> request = ReadMap({{9, kNeedReply, 40}, payload}, facts, 1, true);
  ASSERT_TRUE(request.ok());
  EXPECT_EQ(*request, (state::MapRequest{.shm_offset = 0x10000,
                                         .len = 0x8000,
                                         .fd_offset = 0x2000,
                                         .flags = 1,
                                         .fd = facts,
                                         .fd_count = 1,
                                         .shmid = 2,
                                         .need_reply = true}));
}

TEST(MapMessage, NeedReplyMeansNothingWithoutReplyAck) {
  const std::vector<uint8_t> payload = Payload();
  EXPECT_FALSE(ReadMap({{9, kNeedReply, 40}, payload}, {}, 1, false)->need_reply);
  EXPECT_FALSE(ReadMap({{9, 0x1, 40}, payload}, {}, 1, true)->need_reply);
  EXPECT_FALSE(ReadUnmap({{10, kNeedReply, 40}, payload}, 0, false)->need_reply);
  EXPECT_TRUE(ReadUnmap({{10, kNeedReply, 40}, payload}, 0, true)->need_reply);
}

TEST(MapMessage, PaddingIsNotedAndHarmless) {
  std::vector<uint8_t> payload = Payload();
  payload[7] = 0xee;
  const absl::StatusOr<state::MapRequest> request = ReadMap({{9, 1, 40}, payload}, {}, 1, true);
  ASSERT_TRUE(request.ok());
  EXPECT_TRUE(request->padding_nonzero);
  EXPECT_EQ(request->shmid, 2);
}

TEST(MapMessage, OtherPayloadSizesAreErrorsThatSayExpectedAndGot) {
  for (const size_t bytes : {size_t{0}, size_t{32}, size_t{39}, size_t{41}, size_t{48}}) {
    const std::vector<uint8_t> payload(bytes);
    const vhost::MessageView message{{9, 1, static_cast<uint32_t>(bytes)}, payload};
    EXPECT_EQ(ReadMap(message, {}, 1, true).status().code(), absl::StatusCode::kInvalidArgument) << bytes;
    EXPECT_FALSE(ReadUnmap(message, 0, true).ok()) << bytes;
  }
}

TEST(MapMessage, CountsOfDescriptorsSaturate) {
  const std::vector<uint8_t> payload = Payload();
  EXPECT_EQ(ReadMap({{9, 1, 40}, payload}, {}, 70'000, true)->fd_count, 65'535);
}

}  // namespace
}  // namespace shmemd::session
