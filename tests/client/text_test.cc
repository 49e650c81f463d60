#include "client/print/text.h"

#include <gtest/gtest.h>

namespace shmemd::client {
namespace {

TEST(Text, WidthOfUtf8) {
  EXPECT_EQ(DisplayWidth("gpu0"), 4);
  EXPECT_EQ(DisplayWidth("größe"), 5);
  EXPECT_EQ(DisplayWidth("e\xcc\x81"), 1);  // e and a combining acute accent
  EXPECT_EQ(DisplayWidth("共有"), 4);
  EXPECT_EQ(DisplayWidth("█▒"), 2);
  EXPECT_EQ(DisplayWidth("\xff\xc3"), 2);
}

TEST(Text, TruncatesBetweenCharacters) {
  EXPECT_EQ(Truncate("backend", 7, true), "backend");
  EXPECT_EQ(Truncate("backend", 4, true), "bac…");
  EXPECT_EQ(Truncate("backend", 4, false), "bac~");
  EXPECT_EQ(Truncate("共有記憶", 4, true), "共…");
  EXPECT_EQ(Truncate("abc", 0, true), "");
}

TEST(Text, PrintableTakesTheTeethOut) {
  EXPECT_EQ(Printable("a\x1b[31mb\n", true), "a\\x1b[31mb\\x0a");
  EXPECT_EQ(Printable("\xc2\x9b"
                      "31m",
                      true),
            "\\xc2\\x9b31m");                                     // CSI as one C1 character
  EXPECT_EQ(Printable("\xe2\x80\xae", true), "\\xe2\\x80\\xae");  // right-to-left override
  EXPECT_EQ(Printable("\xed\xa0\x80", true), "\\xed\\xa0\\x80");  // a surrogate
  EXPECT_EQ(Printable("\xc0\xaf", true), "\\xc0\\xaf");           // overlong
  EXPECT_EQ(Printable("größe", true), "größe");
  EXPECT_EQ(Printable("größe", false), "gr??e");
}

TEST(Text, Pads) {
  EXPECT_EQ(PadRight("ä", 3), "ä  ");
  EXPECT_EQ(PadLeft("ä", 3), "  ä");
  EXPECT_EQ(PadLeft("long", 2), "long");
}

TEST(Text, EditDistance) {
  EXPECT_EQ(EditDistance("regions", "regions"), 0);
  EXPECT_EQ(EditDistance("regoins", "regions"), 1);
  EXPECT_EQ(EditDistance("regon", "region"), 1);
  EXPECT_EQ(EditDistance("", "map"), 3);
}

}  // namespace
}  // namespace shmemd::client
