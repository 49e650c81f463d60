#include "client/shmemctl/unix_table.h"

#include <gtest/gtest.h>

namespace shmemd::shmemctl {
namespace {

constexpr char kTable[] =
    "Num       RefCount Protocol Flags    Type St Inode Path\n"
    "0000000000000000: 00000002 00000000 00010000 0001 01 23456 /run/gpu0.sock\n"
    "0000000000000000: 00000003 00000000 00000000 0001 03 23457 /run/gpu0.sock\n"
    "0000000000000000: 00000003 00000000 00000000 0001 03 23458 /run/gpu0.sock\n"
    "0000000000000000: 00000003 00000000 00000000 0001 03     9\n"
    "0000000000000000: 00000003 00000000 00000000 0001 03 23459 /run/with a blank.sock\n"
    "0000000000000000: 00000003 00000000 00000000 0001 03 23460 /run/gpu0.sock2\n"
    "torn line";

std::vector<UnixConnection> At(std::string_view table, const std::string& wanted) {
  return ConnectionsAt(table, [&](const std::string& path) { return path == wanted; });
}

TEST(UnixTable, FindsAcceptedConnectionsOnly) {
  const std::vector<UnixConnection> two = {{23457, "/run/gpu0.sock"}, {23458, "/run/gpu0.sock"}};
  EXPECT_EQ(At(kTable, "/run/gpu0.sock"), two);
  const std::vector<UnixConnection> blank = {{23459, "/run/with a blank.sock"}};
  EXPECT_EQ(At(kTable, "/run/with a blank.sock"), blank);
  EXPECT_TRUE(At(kTable, "/run/gpu").empty());
  EXPECT_TRUE(At(kTable, "").empty());
  EXPECT_TRUE(At("", "/run/gpu0.sock").empty());
}

}  // namespace
}  // namespace shmemd::shmemctl
