#include "server/web/text.h"

#include <gtest/gtest.h>

#include <limits>

namespace shmemd::web {
namespace {

constexpr uint64_t kLargest = std::numeric_limits<uint64_t>::max();

TEST(TextTest, WhatIsHtmlIsEscaped) {
  EXPECT_EQ(Escaped("a<b>&\"c'"), "a&lt;b&gt;&amp;&quot;c&#39;");
  EXPECT_EQ(Escaped("</script><script>alert(1)</script>"),
            "&lt;/script&gt;&lt;script&gt;alert(1)&lt;/script&gt;");
}

// Bytes that end a line, hide text, or turn it around (U+202E) are shown as what they are.
TEST(TextTest, BytesThatAreNoPlainTextAreSpelled) {
  EXPECT_EQ(Escaped("a\nb\x1b[2J"), "a\\x0Ab\\x1B[2J");
  EXPECT_EQ(Escaped("\xe2\x80\xae"
                    "x"),
            "\\xE2\\x80\\xAEx");
  EXPECT_EQ(Escaped(std::string_view("\0", 1)), "\\x00");
  EXPECT_EQ(Escaped("\xff\xc3"), "\\xFF\\xC3");
}

TEST(TextTest, LongTextIsCutAndSaysSo) {
  EXPECT_EQ(Escaped("abcdef", 3), "abc&hellip;");
  EXPECT_EQ(Escaped("abc", 3), "abc");
}

TEST(TextTest, ASlugFitsIntoAnAttributeAndAPath) {
  EXPECT_EQ(Slug("gpu-0.a"), "gpu-0.a");
  EXPECT_EQ(Slug("a b\"/<"), "a_20b_22_2F_3C");
}

TEST(TextTest, BytesHaveTheirUnit) {
  EXPECT_EQ(Bytes(0), "0 B");
  EXPECT_EQ(Bytes(1023), "1023 B");
  EXPECT_EQ(Bytes(1024), "1 KiB");
  EXPECT_EQ(Bytes(1536), "1.5 KiB");
  EXPECT_EQ(Bytes((uint64_t{1} << 20) - 1), "1 MiB");
  EXPECT_EQ(Bytes(kLargest), "16 EiB");
}

TEST(TextTest, CountsAndShares) {
  EXPECT_EQ(Count(0), "0");
  EXPECT_EQ(Count(999), "999");
  EXPECT_EQ(Count(1234567), "1,234,567");
  EXPECT_EQ(Counted(1, "map"), "1 map");
  EXPECT_EQ(Counted(1000, "map"), "1,000 maps");
  EXPECT_EQ(Percent(0, 10), 0);
  EXPECT_EQ(Percent(1, kLargest), 1);
  EXPECT_EQ(Percent(kLargest - 1, kLargest), 99);
  EXPECT_EQ(Percent(11, 10), 100);
  EXPECT_EQ(Percent(1, 0), 0);
}

TEST(TextTest, TimesAreUtc) {
  EXPECT_EQ(TimeOfDay(int64_t{86'399} * 1'000'000'000),
            "<time datetime=\"1970-01-01T23:59:59Z\" title=\"1970-01-01 23:59:59 UTC\">23:59:59</time>");
}

}  // namespace
}  // namespace shmemd::web
