#include "server/vhost/codec.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>

#include "tests/golden/golden.h"

namespace shmemd::vhost {
namespace {

using golden::Load;
using ::testing::ElementsAreArray;
using ::testing::HasSubstr;

constexpr uint64_t kMiB = uint64_t{1} << 20;
constexpr uint64_t kGiB = uint64_t{1} << 30;

std::span<const uint8_t> PayloadOf(const std::vector<uint8_t>& message) {
  return std::span(message).subspan(kHeaderBytes);
}

Header HeaderOf(std::string_view name) { return DecodeHeader(Load(name)).value(); }

absl::StatusOr<ShmemConfigReply> ReplyIn(std::string_view name) {
  const std::vector<uint8_t> message = Load(name);
  EXPECT_EQ(DecodeHeader(message)->size, message.size() - kHeaderBytes) << name;
  return DecodeShmemConfigReply(PayloadOf(message));
}

absl::StatusOr<MMap> MMapIn(std::string_view name) { return DecodeMMap(PayloadOf(Load(name))); }

std::array<uint64_t, kMaxRegions> Sizes(std::initializer_list<std::pair<uint8_t, uint64_t>> regions) {
  std::array<uint64_t, kMaxRegions> sizes{};
  for (const auto& [shmid, bytes] : regions) sizes[shmid] = bytes;
  return sizes;
}

std::string ErrorOf(const absl::Status& status) {
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  return std::string(status.message());
}

constexpr MMap kMap{
    .shmid = 2, .fd_offset = 0x2000, .shm_offset = 0x10000, .len = 0x8000, .flags = kMapReadWrite};

TEST(EncodeTest, GetShmemConfigIsTwelveBytes) {
  EXPECT_THAT(EncodeShmemConfigRequest(), ElementsAreArray(Load("get_shmem_config_request")));
}

TEST(EncodeTest, SetProtocolFeatures) {
  const uint64_t features = Mask(ProtocolFeature::kMq) | Mask(ProtocolFeature::kReplyAck) |
                            Mask(ProtocolFeature::kBackendReq) | Mask(ProtocolFeature::kBackendSendFd) |
                            Mask(ProtocolFeature::kShmem);
  EXPECT_EQ(features, 0x400429u);
  EXPECT_THAT(EncodeMessage(Id(FrontendRequest::kSetProtocolFeatures), kRequestFlags, features),
              ElementsAreArray(Load("set_protocol_features")));
}

TEST(EncodeTest, SetBackendReqFdAsksForAnAck) {
  EXPECT_THAT(EncodeHeader({Id(FrontendRequest::kSetBackendReqFd), kRequestWithAckFlags, 0}),
              ElementsAreArray(Load("set_backend_req_fd")));
}

TEST(EncodeTest, ConfigReplyHasAlwaysTheWholeArray) {
  EXPECT_THAT(EncodeShmemConfigReply(Sizes({{0, kMiB}, {2, kGiB}})), ElementsAreArray(Load("config_gap")));
  EXPECT_THAT(EncodeShmemConfigReply(Sizes({{0, kMiB}, {1, kGiB}})), ElementsAreArray(Load("config_no_gap")));
  EXPECT_THAT(EncodeShmemConfigReply(Sizes({})), ElementsAreArray(Load("config_no_regions")));
  EXPECT_THAT(EncodeShmemConfigReply(Sizes({{255, kMiB}})),
              ElementsAreArray(Load("odd_config_last_shmid_count")));
}

TEST(EncodeTest, MapAndUnmap) {
  MMap read_only = kMap;
  read_only.flags = 0;
  EXPECT_THAT(EncodeMMap(BackendRequest::kShmemMap, kRequestWithAckFlags, kMap),
              ElementsAreArray(Load("map_read_write")));
  EXPECT_THAT(EncodeMMap(BackendRequest::kShmemMap, kRequestFlags, read_only),
              ElementsAreArray(Load("map_read_only")));
  EXPECT_THAT(EncodeMMap(BackendRequest::kShmemUnmap, kRequestWithAckFlags,
                         {.shmid = 2, .shm_offset = 0x10000, .len = 0x8000}),
              ElementsAreArray(Load("unmap")));
}

TEST(EncodeTest, PaddingIsNeverSent) {
  MMap received = kMap;
  received.padding_nonzero = true;
  EXPECT_EQ(EncodeMMap(BackendRequest::kShmemMap, kRequestFlags, received),
            EncodeMMap(BackendRequest::kShmemMap, kRequestFlags, kMap));
}

TEST(EncodeTest, Acks) {
  EXPECT_THAT(EncodeAck(BackendRequest::kShmemMap, kAckOk), ElementsAreArray(Load("map_ack_ok")));
  EXPECT_THAT(EncodeAck(BackendRequest::kShmemMap, 1), ElementsAreArray(Load("map_ack_refused_qemu")));
  EXPECT_THAT(EncodeAck(BackendRequest::kShmemMap, AckErrno(EINVAL)),
              ElementsAreArray(Load("map_ack_refused_einval")));
  EXPECT_THAT(EncodeAck(BackendRequest::kShmemUnmap, kAckOk), ElementsAreArray(Load("unmap_ack_ok")));
  EXPECT_THAT(EncodeAck(BackendRequest::kShmemUnmap, 1), ElementsAreArray(Load("unmap_ack_refused_qemu")));
  EXPECT_THAT(EncodeAck(BackendRequest::kShmemUnmap, AckErrno(ENOSYS)),
              ElementsAreArray(Load("unmap_ack_refused_enosys")));
  EXPECT_THAT(EncodeMessage(Id(FrontendRequest::kSetBackendReqFd), kReplyFlags, kAckOk),
              ElementsAreArray(Load("set_backend_req_fd_ack")));
  EXPECT_THAT(EncodeMessage(Id(BackendRequest::kShmemMap), kReplyFlag, kAckOk),
              ElementsAreArray(Load("map_ack_ok_version_0")));
}

TEST(DecodeTest, Headers) {
  EXPECT_EQ(HeaderOf("get_shmem_config_request"), (Header{44, 0x1, 0}));
  EXPECT_EQ(HeaderOf("set_protocol_features"), (Header{16, 0x1, 8}));
  EXPECT_EQ(HeaderOf("set_backend_req_fd"), (Header{21, 0x9, 0}));
  EXPECT_EQ(HeaderOf("config_gap"), (Header{44, 0x5, 2056}));
  EXPECT_EQ(HeaderOf("map_ack_ok_version_0"), (Header{9, 0x4, 8}));
  EXPECT_EQ(HeaderOf("bad_header_reserved_flag"), (Header{44, 0x11, 0}));
  EXPECT_EQ(HeaderOf("bad_header_size_max"), (Header{44, 0x5, 0xffffffff}));

  EXPECT_TRUE(HeaderOf("set_backend_req_fd").needs_reply());
  EXPECT_FALSE(HeaderOf("set_backend_req_fd").is_reply());
  EXPECT_TRUE(HeaderOf("config_gap").is_reply());
  EXPECT_FALSE(HeaderOf("config_gap").needs_reply());
}

TEST(DecodeTest, U64) {
  EXPECT_EQ(*DecodeU64("features", PayloadOf(Load("set_protocol_features"))), 0x400429u);
  EXPECT_EQ(*DecodeU64("ack", PayloadOf(Load("map_ack_ok"))), kAckOk);
  EXPECT_EQ(*DecodeU64("ack", PayloadOf(Load("map_ack_refused_qemu"))), 1u);
  EXPECT_EQ(*DecodeU64("ack", PayloadOf(Load("map_ack_refused_einval"))), AckErrno(22));
  EXPECT_EQ(*DecodeU64("ack", PayloadOf(Load("unmap_ack_refused_enosys"))), AckErrno(38));
  EXPECT_EQ(ErrorOf(DecodeU64("reply to GET_FEATURES", {}).status()),
            "reply to GET_FEATURES: expected a payload of 8 bytes, got 0");
}

// Every form in which peers send two regions with a gap, or without: the regions are the same.
TEST(DecodeConfigReplyTest, AllFormsOfTheArrayGiveTheSameRegions) {
  struct Form {
    std::string_view name;
    uint32_t num_regions;
    uint32_t payload_bytes;
    uint8_t second_shmid;
  };
  for (const Form& form :
       {Form{"config_gap", 2, 2056, 2}, Form{"config_no_gap", 2, 2056, 1},
        Form{"config_truncated_no_gap", 2, 24, 1}, Form{"config_truncated_gap_span", 3, 32, 2},
        Form{"config_truncated_gap_count", 2, 32, 2}}) {
    SCOPED_TRACE(form.name);
    const auto reply = ReplyIn(form.name);
    ASSERT_TRUE(reply.ok()) << reply.status();
    EXPECT_EQ(*reply, (ShmemConfigReply{.num_regions = form.num_regions,
                                        .padding = 0,
                                        .sizes = Sizes({{0, kMiB}, {form.second_shmid, kGiB}}),
                                        .payload_bytes = form.payload_bytes}));
    EXPECT_EQ(reply->truncated(), form.payload_bytes < 2056);
    EXPECT_EQ(reply->nonzero_sizes(), 2u);
    EXPECT_EQ(reply->highest_shmid(), form.second_shmid);
  }
}

TEST(DecodeConfigReplyTest, NoRegions) {
  const auto reply = ReplyIn("config_no_regions");
  ASSERT_TRUE(reply.ok()) << reply.status();
  EXPECT_EQ(*reply, (ShmemConfigReply{.payload_bytes = 2056}));
  EXPECT_EQ(reply->nonzero_sizes(), 0u);
  EXPECT_EQ(reply->highest_shmid(), std::nullopt);
}

// What is odd is kept as it was sent; to judge it is for others.
TEST(DecodeConfigReplyTest, OddRepliesAreKeptAsSent) {
  struct Odd {
    std::string_view name;
    uint32_t num_regions;
    uint32_t padding;
    std::array<uint64_t, kMaxRegions> sizes;
  };
  const Odd odds[] = {
      {"odd_config_padding", 1, 0xdeadbeef, Sizes({{0, kMiB}})},
      {"odd_config_unaligned_size", 1, 0, Sizes({{0, 0x1800}})},
      {"odd_config_num_regions_zero", 0, 0, Sizes({{0, kMiB}, {3, kMiB}})},
      {"odd_config_num_regions_too_small", 2, 0, Sizes({{0, kMiB}, {1, kMiB}, {2, kMiB}})},
      {"odd_config_num_regions_without_sizes", 2, 0, Sizes({})},
      {"odd_config_num_regions_256", 256, 0, Sizes({{0, kMiB}, {3, kMiB}})},
      {"odd_config_num_regions_300", 300, 0, Sizes({{0, kMiB}, {3, kMiB}})},
      {"odd_config_last_shmid_count", 1, 0, Sizes({{255, kMiB}})},
      {"odd_config_last_shmid_span", 256, 0, Sizes({{255, kMiB}})},
      {"odd_config_size_too_large", 1, 0, Sizes({{0, uint64_t{1} << 63}})},
      {"odd_config_sum_wraps", 2, 0, Sizes({{0, uint64_t{3} << 62}, {1, uint64_t{1} << 62}})},
  };
  for (const Odd& odd : odds) {
    SCOPED_TRACE(odd.name);
    const auto reply = ReplyIn(odd.name);
    ASSERT_TRUE(reply.ok()) << reply.status();
    EXPECT_EQ(*reply, (ShmemConfigReply{.num_regions = odd.num_regions,
                                        .padding = odd.padding,
                                        .sizes = odd.sizes,
                                        .payload_bytes = 2056}));
  }
  EXPECT_EQ(golden::Names("odd_config").size(), std::size(odds));
}

TEST(DecodeConfigReplyTest, OtherLengthsAreRefused) {
  for (size_t bytes : {0, 4, 2055, 2057, 2064}) {
    const std::string name = "bad_config_payload_" + std::to_string(bytes);
    EXPECT_EQ(ErrorOf(ReplyIn(name).status()),
              "reply to GET_SHMEM_CONFIG: expected a payload of 2056 bytes (or, cut short, of 8 + 8n), got " +
                  std::to_string(bytes));
  }
}

TEST(DecodeConfigReplyTest, CutAtEveryByte) {
  const std::vector<uint8_t> message = Load("config_gap");
  for (size_t bytes = 0; bytes <= 2056; ++bytes) {
    const auto payload = PayloadOf(message).first(bytes);
    const std::vector<uint8_t> cut(payload.begin(), payload.end());
    const auto reply = DecodeShmemConfigReply(cut);
    ASSERT_EQ(reply.ok(), bytes >= 8 && bytes % 8 == 0) << bytes;
    if (!reply.ok()) continue;
    ASSERT_EQ(reply->payload_bytes, bytes);
    ASSERT_EQ(reply->sizes[0], bytes >= 16 ? kMiB : 0) << bytes;
    ASSERT_EQ(reply->sizes[2], bytes >= 32 ? kGiB : 0) << bytes;
  }
}

TEST(DecodeMMapTest, MapAndUnmap) {
  EXPECT_EQ(*MMapIn("map_read_write"), kMap);
  EXPECT_TRUE(MMapIn("map_read_write")->writable());
  EXPECT_FALSE(MMapIn("map_read_only")->writable());
  EXPECT_EQ(MMapIn("map_read_only")->len, 0x8000u);
  EXPECT_EQ(*MMapIn("unmap"), (MMap{.shmid = 2, .shm_offset = 0x10000, .len = 0x8000}));
}

TEST(DecodeMMapTest, OddOnesAreKeptAsSent) {
  MMap padded = kMap;
  padded.padding_nonzero = true;
  EXPECT_EQ(*MMapIn("odd_map_padding"), padded);

  const MMap flagged = *MMapIn("odd_map_unknown_flags");
  EXPECT_TRUE(flagged.writable());
  EXPECT_EQ(flagged.unknown_flags(), 0x8000000000000004u);
  EXPECT_EQ(kMap.unknown_flags(), 0u);

  EXPECT_EQ(MMapIn("odd_map_empty")->len, 0u);
  const MMap wrapping = *MMapIn("odd_map_wraps");
  EXPECT_EQ(wrapping.fd_offset, uint64_t{0} - 0x1000);
  EXPECT_EQ(wrapping.shm_offset, uint64_t{0} - 0x1000);
  EXPECT_EQ(wrapping.len, 0x2000u);
}

// Each of the seven padding bytes counts, and none of them leaks into a field.
TEST(DecodeMMapTest, EveryPaddingByteIsSeen) {
  for (size_t at = 1; at < 8; ++at) {
    std::vector<uint8_t> message = Load("map_read_write");
    message[kHeaderBytes + at] = 0x80;
    MMap expected = kMap;
    expected.padding_nonzero = true;
    EXPECT_EQ(*DecodeMMap(PayloadOf(message)), expected) << at;
  }
}

TEST(DecodeMMapTest, OnlyFortyBytes) {
  for (size_t bytes = 0; bytes <= 64; ++bytes) {
    EXPECT_EQ(DecodeMMap(std::vector<uint8_t>(bytes)).ok(), bytes == 40) << bytes;
  }
  EXPECT_EQ(ErrorOf(MMapIn("bad_map_payload_32").status()),
            "SHMEM_MAP or SHMEM_UNMAP: expected a payload of 40 bytes, got 32");
  EXPECT_THAT(ErrorOf(MMapIn("bad_map_payload_48").status()), HasSubstr("got 48"));
}

TEST(DecodeLegacyTest, CrosvmDialect) {
  EXPECT_EQ(HeaderOf("crosvm_get_regions_request"), (Header{1004, 0x1, 0}));
  const std::vector<uint8_t> reply = Load("crosvm_get_regions_reply");
  EXPECT_EQ(DecodePayload<LegacyRegionsHeader>("count", PayloadOf(reply).first(8))->count, 1u);
  const auto region = DecodePayload<LegacyRegion>("region", PayloadOf(reply).subspan(8));
  EXPECT_EQ(region->shmid, 1);
  EXPECT_EQ(region->length, 8 * kGiB);

  const auto map = DecodePayload<LegacyMap>("map", PayloadOf(Load("crosvm_map")));
  EXPECT_EQ(map->flags, 3);
  EXPECT_EQ(map->shmid, 0);
  EXPECT_EQ(map->shm_offset, 0x10000u);
  EXPECT_EQ(map->fd_offset, 0x2000u);
  EXPECT_EQ(map->len, 0x8000u);

  const auto unmap = DecodePayload<LegacyUnmap>("unmap", PayloadOf(Load("crosvm_unmap")));
  EXPECT_EQ(unmap->shmid, 0);
  EXPECT_EQ(unmap->shm_offset, 0x10000u);
  EXPECT_EQ(unmap->len, 0x8000u);
}

// Every prefix of every message, in a buffer of exactly its length so that a sanitizer sees the first byte
// too many.
TEST(TornInputTest, EveryPrefixIsACleanError) {
  for (const std::string& name : golden::Names()) {
    const std::vector<uint8_t> message = Load(name);
    for (size_t bytes = 0; bytes < message.size(); ++bytes) {
      const std::vector<uint8_t> torn(message.begin(), message.begin() + static_cast<ptrdiff_t>(bytes));
      ASSERT_EQ(DecodeHeader(torn).ok(), bytes >= kHeaderBytes) << name << " cut at " << bytes;
      ASSERT_EQ(DecodeU64("torn", torn).ok(), bytes == 8) << name << " cut at " << bytes;
      ASSERT_EQ(DecodeMMap(torn).ok(), bytes == 40) << name << " cut at " << bytes;
      ASSERT_EQ(DecodeShmemConfigReply(torn).ok(), bytes >= 8 && bytes <= 2056 && bytes % 8 == 0)
          << name << " cut at " << bytes;
    }
  }
}

}  // namespace
}  // namespace shmemd::vhost
