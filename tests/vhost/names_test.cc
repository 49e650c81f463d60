#include "server/vhost/names.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace shmemd::vhost {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

TEST(NamesTest, Messages) {
  EXPECT_EQ(MessageText(Channel::kMain, 44), "GET_SHMEM_CONFIG (44)");
  EXPECT_EQ(MessageText(Channel::kBackend, 9), "SHMEM_MAP (9)");
  EXPECT_EQ(MessageText(Channel::kMain, 9), "SET_VRING_ADDR (9)");
  EXPECT_EQ(MessageText(Channel::kMain, 77), "unknown message (77)");
  EXPECT_EQ(MessageText(Channel::kBackend, 0xffffffff), "unknown message (4294967295)");
  EXPECT_EQ(MessageName(Channel::kMain, 77), "");
}

TEST(NamesTest, Features) {
  EXPECT_EQ(FeatureText(22), "SHMEM (bit 22)");
  EXPECT_EQ(FeatureText(31), "unknown (bit 31)");
  EXPECT_EQ(FeatureText(4000000000u), "unknown (bit 4000000000)");
  EXPECT_EQ(FeatureName(static_cast<unsigned>(ProtocolFeature::kMq)), "MQ");
  EXPECT_EQ(FeatureName(static_cast<unsigned>(ProtocolFeature::kBackendSendFd)), "BACKEND_SEND_FD");
  EXPECT_EQ(FeatureName(static_cast<unsigned>(ProtocolFeature::kXenMmap)), "XEN_MMAP");
  EXPECT_EQ(FeatureName(23), "");
}

TEST(NamesTest, FeatureMasks) {
  EXPECT_THAT(FeatureTexts(0), IsEmpty());
  EXPECT_THAT(FeatureTexts(0x400429), ElementsAre("MQ (bit 0)", "REPLY_ACK (bit 3)", "BACKEND_REQ (bit 5)",
                                                  "BACKEND_SEND_FD (bit 10)", "SHMEM (bit 22)"));
  EXPECT_THAT(FeatureTexts(uint64_t{1} << 63 | 1), ElementsAre("MQ (bit 0)", "unknown (bit 63)"));
  EXPECT_THAT(FeatureTexts(~uint64_t{0}), SizeIs(64));
}

TEST(NamesTest, AnOlderShmemBitIsFoundOnlyWithoutTheFinalOne) {
  const auto bit = [](uint64_t mask) {
    const HistoricShmemBit* found = FindHistoricShmemBit(mask);
    return found == nullptr ? -1 : int{found->bit};
  };
  EXPECT_EQ(bit(0), -1);
  EXPECT_EQ(bit(0x429), -1);
  EXPECT_EQ(bit(uint64_t{1} << 17), 17);
  EXPECT_EQ(bit(uint64_t{1} << 20), 20);
  EXPECT_EQ(bit(uint64_t{1} << 21), 21);
  EXPECT_EQ(bit(uint64_t{1} << 31), 31);
  EXPECT_EQ(bit(uint64_t{1} << 20 | uint64_t{1} << 21), 21);
  EXPECT_EQ(bit(uint64_t{1} << 21 | Mask(ProtocolFeature::kShmem)), -1);
}

}  // namespace
}  // namespace shmemd::vhost
