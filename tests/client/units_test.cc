#include "client/print/units.h"

#include <gtest/gtest.h>

namespace shmemd::client {
namespace {

TEST(Units, BytesAlwaysHaveAUnit) {
  EXPECT_EQ(FormatBytes(0), "0 B");
  EXPECT_EQ(FormatBytes(1023), "1023 B");
  EXPECT_EQ(FormatBytes(1024), "1.0 KiB");
  EXPECT_EQ(FormatBytes(4194304), "4.0 MiB");
  EXPECT_EQ(FormatBytes(67108864), "64 MiB");
  EXPECT_EQ(FormatBytes(13207024435), "12.3 GiB");
  EXPECT_EQ(FormatBytes(int64_t{1} << 40), "1.0 TiB");
  EXPECT_EQ(FormatBytes(INT64_MAX), "8.0 EiB");
}

TEST(Units, RoundingGoesOnToTheNextUnit) {
  EXPECT_EQ(FormatBytes(1048575), "1.0 MiB");
  EXPECT_EQ(FormatBytes(10 * 1024 - 1), "10 KiB");
  EXPECT_EQ(FormatBytes(1047552), "1023 KiB");
}

TEST(Units, PlainBytes) {
  EXPECT_EQ(FormatBytes(4194304, true), "4194304");
  EXPECT_EQ(FormatBytes(0, true), "0");
}

TEST(Units, ShareIsRoundedDown) {
  EXPECT_EQ(FormatShare(0, 100), "0 %");
  EXPECT_EQ(FormatShare(1, 1000), "<1 %");
  EXPECT_EQ(FormatShare(999, 1000), "99 %");
  EXPECT_EQ(FormatShare(INT64_MAX - 1, INT64_MAX), "99 %");
  EXPECT_EQ(FormatShare(1000, 1000), "100 %");
  EXPECT_EQ(FormatShare(150, 100), "150 %");
  EXPECT_EQ(FormatShare(5, 0), "-");
}

TEST(Units, HexTimeAndDuration) {
  EXPECT_EQ(FormatHex(0x10000000), "0x10000000");
  EXPECT_EQ(FormatHex(-1), "0xffffffffffffffff");
  google::protobuf::Timestamp time;
  time.set_seconds(1767225600);
  EXPECT_EQ(FormatTime(time), "2026-01-01T00:00:00Z");
  google::protobuf::Duration duration;
  duration.set_nanos(800);
  EXPECT_EQ(FormatDuration(duration), "800 ns");
  duration.set_nanos(42000);
  EXPECT_EQ(FormatDuration(duration), "42 us");
  duration.set_nanos(1500000);
  EXPECT_EQ(FormatDuration(duration), "1.5 ms");
  duration.set_seconds(2);
  EXPECT_EQ(FormatDuration(duration), "2.0 s");
}

}  // namespace
}  // namespace shmemd::client
