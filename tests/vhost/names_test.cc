#include "server/vhost/names.h"

#include <gtest/gtest.h>

namespace shmemd::vhost {
namespace {

TEST(NamesTest, Messages) {
  EXPECT_EQ(MessageText(Channel::kMain, 44), "GET_SHMEM_CONFIG (44)");
  EXPECT_EQ(MessageText(Channel::kBackend, 9), "SHMEM_MAP (9)");
  EXPECT_EQ(MessageText(Channel::kMain, 9), "SET_VRING_ADDR (9)");
  EXPECT_EQ(MessageText(Channel::kMain, 77), "unknown message (77)");
  EXPECT_EQ(MessageText(Channel::kBackend, 0xffffffff), "unknown message (4294967295)");
  EXPECT_EQ(MessageName(Channel::kMain, 77), "");
}

TEST(NamesTest, Features) {
  EXPECT_EQ(FeatureName(22), "SHMEM");
  EXPECT_EQ(FeatureName(4000000000u), "");
  EXPECT_EQ(FeatureName(static_cast<unsigned>(ProtocolFeature::kMq)), "MQ");
  EXPECT_EQ(FeatureName(static_cast<unsigned>(ProtocolFeature::kBackendSendFd)), "BACKEND_SEND_FD");
  EXPECT_EQ(FeatureName(static_cast<unsigned>(ProtocolFeature::kXenMmap)), "XEN_MMAP");
  EXPECT_EQ(FeatureName(23), "");
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
